"""Cyrus 3.6 from a private folder. Its imapd cannot be installed beside Dovecot's, so it was only unpacked."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers.running import RunningServer, free_port, needs, private_folder, running, unpacked, write_certificate

CYRUS_PASSWORD = "cyrus secret"
_BIN = Path("/usr/lib/cyrus/bin")
_BELOW_CONF = ("db", "proc", "log", "msg", "lock", "socket", "user", "quota")
_MASTER = Path("/usr/sbin/cyrmaster")

# Every program needs its own -C: the master does not pass its own on.
_MASTER_CONFIG = """
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {folder}/imapd.conf -r"
}}
SERVICES {{
  imap cmd="{imapd} -C {folder}/imapd.conf -U 30" listen="127.0.0.1:{port}" prefork=1 maxchild=100
  imaps cmd="{imapd} -C {folder}/imapd.conf -s -U 30" listen="127.0.0.1:{tls_port}" prefork=0 maxchild=100
}}
EVENTS {{
  checkpoint cmd="{bin}/ctl_cyrusdb -C {folder}/imapd.conf -c" period=300
}}
"""
_IMAPD_CONFIG = """
configdirectory: {folder}/conf
partition-default: {folder}/spool
defaultpartition: default
cyrus_user: {user}
cyrus_group: {group}
servername: localhost
admins: cyrus
proxyservers: helpdesk
unixhierarchysep: yes
altnamespace: yes
allowplaintext: yes
failedloginpause: 0
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: {folder}/sasldb2
tls_server_cert: {folder}/server.pem
tls_server_key: {folder}/server.key
tls_sessions_db_path: {folder}/conf/tls_sessions.db
autocreate_quota: 1000000
autocreate_inbox_folders: Sent|Drafts|Trash
autocreate_subscribe_folders: Sent|Drafts|Trash
xlist-sent: Sent
xlist-drafts: Drafts
xlist-trash: Trash
conversations: yes
conversations_db: twoskip
expunge_mode: delayed
delete_mode: delayed
duplicate_db_path: {folder}/conf/deliver.db
idlesocket: {folder}/sock/idle
lmtpsocket: {folder}/sock/lmtp
notifysocket: {folder}/sock/notify
proc_path: {folder}/conf/proc
mboxname_lockpath: {folder}/conf/lock
"""


@contextlib.contextmanager
def cyrus() -> Iterator[RunningServer]:
    """Yield a running Cyrus. The user `helpdesk` may act for others (PLAIN with an authorization identity)."""
    installed = _BIN / "imapd"
    imapd = installed if installed.exists() else unpacked() / "usr/lib/cyrus/bin/imapd"
    needs(_MASTER, imapd, "saslpasswd2")
    with private_folder("cyrus") as folder:
        ca_file = write_certificate(folder)
        port, tls_port = free_port(), free_port()
        user, group = _server_user()
        values = {"folder": folder, "port": port, "tls_port": tls_port, "imapd": imapd, "bin": _BIN,
                  "user": user, "group": group}  # fmt: skip
        (folder / "imapd.conf").write_text(_IMAPD_CONFIG.format(**values))
        (folder / "cyrus.conf").write_text(_MASTER_CONFIG.format(**values))
        for name in ("spool", "sock", *(f"conf/{below}" for below in _BELOW_CONF)):
            (folder / name).mkdir(parents=True)
        _make_user(folder, "helpdesk")
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                shutil.chown(path, user, group)
        command = [_MASTER, "-C", folder / "imapd.conf", "-M", folder / "cyrus.conf", "-p", folder / "master.pid"]
        with running(command, folder / "start.log", port=port):
            yield RunningServer(
                "cyrus", port, tls_port, ca_file, folder, CYRUS_PASSWORD, lambda u: _make_user(folder, u)
            )


def _server_user() -> tuple[str, str]:
    """Return the user and group that Cyrus shall run as: its own, or ourselves where we are not root."""
    if os.geteuid() == 0:
        return "cyrus", "mail"
    return pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


def _make_user(folder: Path, user: str) -> None:
    command = ["saslpasswd2", "-p", "-c", "-f", str(folder / "sasldb2"), "-u", "localhost", user]
    subprocess.run(command, input=CYRUS_PASSWORD.encode(), check=True, capture_output=True)
