"""Dovecot 2.3 from a private folder, as root or as anybody, with TLS and Maildir. Every user name exists."""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
from collections.abc import Iterator
from pathlib import Path

from tests.servers.running import PASSWORD, RunningServer, free_port, needs, private_folder, running, write_certificate

# Everything Dovecot 2.3 offers after the login but MOVE; what it would do if asked is not the point.
WITHOUT_MOVE = (
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT THREAD=REFERENCES MULTIAPPEND UNSELECT CHILDREN NAMESPACE "
    "UIDPLUS LIST-EXTENDED CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN LIST-STATUS BINARY SPECIAL-USE LITERAL+ "
    "QUOTA ACL"
)

_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
instance_name = cleanup-{port}
protocols = imap
listen = 127.0.0.1
default_login_user = {login_user}
default_internal_user = {internal_user}
default_internal_group = {internal_group}
mail_uid = {mail_user}
mail_gid = {mail_group}
first_valid_uid = 1
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
disable_plaintext_auth = no
auth_mechanisms = plain login {oauth}
auth_master_user_separator = *
auth_failure_delay = 0
auth_username_chars =
mail_location = maildir:{folder}/mail/%u
mail_plugins = quota acl {plugins}
mail_max_userip_connections = 200
protocol imap {{
  mail_plugins = quota imap_quota acl imap_acl {plugins}
  imap_capability = {capability}
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1G
  acl = vfile
  acl_user = %u
  {plugin_settings}
}}
namespace inbox {{
  inbox = yes
  separator = {delimiter}
  prefix = {prefix}
  mailbox Drafts {{
    special_use = \\Drafts
    auto = subscribe
  }}
  mailbox "{sent}" {{
    {sent_use}
    auto = subscribe
  }}
  {further_mailbox}
}}
{further_namespace}
passdb {{
  driver = passwd-file
  args = {folder}/masters
  master = yes
}}
{oauth_passdb}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
  default_fields = home={folder}/mail/%u-home
}}
userdb {{
  driver = static
  args = home={folder}/mail/%u-home
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 200
}}
"""
# The owner sees the folder into which everything goes that is expunged, as Dovecot's documentation shows it.
_EXPUNGED_FOLDER = """
  mailbox {folder} {{
    auto = create
    autoexpunge = {seconds}s
  }}
"""
_VIRTUAL_ALL = """
namespace virtual {{
  separator = {delimiter}
  prefix = virtual{delimiter}
  location = virtual:{folder}/virtual:INDEX={folder}/mail/%u-virtual
  list = yes
}}
"""
_OAUTH_PASSDB = """
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
"""
_OAUTH = """
introspection_mode = post
introspection_url = http://127.0.0.1:{port}/introspect
username_attribute = username
active_attribute = active
active_value = true
force_introspection = yes
"""
MASTER_PASSWORD = "master"
STATIC_PASSWORD = "static-secret"  # a static passdb cannot hold blanks


def _users() -> dict[str, str]:
    if os.geteuid() == 0:
        return {"login_user": "dovenull", "internal_user": "dovecot", "internal_group": "dovecot",
                "mail_user": "mail", "mail_group": "mail"}  # fmt: skip
    me, group = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
    return dict.fromkeys(("login_user", "internal_user", "mail_user"), me) | dict.fromkeys(
        ("internal_group", "mail_group"), group
    )


@contextlib.contextmanager
def dovecot(
    name: str = "dovecot",
    *,
    capability: str = "",
    delimiter: str = "/",
    prefix: str = "",
    sent: str = "Sent",
    sent_use: str = "special_use = \\Sent",
    oauth_port: int | None = None,
    lazy_expunge: str = "",
    autoexpunge_s: int = 0,
    virtual_all: bool = False,
) -> Iterator[RunningServer]:
    """Yield a running Dovecot. `full*` users have 100 KiB; the master user `helpdesk` opens any mailbox.

    `lazy_expunge` names a folder that gets a copy of all that is moved or expunged, and keeps it for `autoexpunge_s`
    (0: for ever). `virtual_all` adds virtual/All, which shows what is in all folders and is not marked as such.
    """
    needs("dovecot")
    with private_folder(name) as folder:
        ca_file = write_certificate(folder)
        port, tls_port = free_port(), free_port()
        _prepare(folder)
        if oauth_port:
            (folder / "oauth2.conf").write_text(_OAUTH.format(port=oauth_port))
        plugins, settings = [], ""
        if lazy_expunge:
            plugins, settings = ["lazy_expunge"], f"lazy_expunge = {lazy_expunge}"
        if virtual_all:
            plugins.append("virtual")
            _show_all(folder / "virtual" / "All")
        config = _CONFIG.format(
            plugins=" ".join(plugins), plugin_settings=settings,
            further_mailbox=_EXPUNGED_FOLDER.format(folder=lazy_expunge, seconds=autoexpunge_s) if lazy_expunge else "",
            further_namespace=_VIRTUAL_ALL.format(folder=folder, delimiter=delimiter) if virtual_all else "",
            folder=folder, port=port, tls_port=tls_port, capability=capability, delimiter=delimiter, prefix=prefix,
            sent=sent, sent_use=sent_use, password=STATIC_PASSWORD,
            oauth="xoauth2 oauthbearer" if oauth_port else "",
            oauth_passdb=_OAUTH_PASSDB.format(folder=folder) if oauth_port else "", **_users(),
        )  # fmt: skip
        (folder / "dovecot.conf").write_text(config)
        with running(["dovecot", "-F", "-c", folder / "dovecot.conf"], folder / "start.log", port=port):
            yield RunningServer(name, port, tls_port, ca_file, folder, password=STATIC_PASSWORD)


def _show_all(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "dovecot-virtual").write_text("*\n  all\n")
    for path in (folder.parent, folder):
        path.chmod(0o777)


def _prepare(folder: Path) -> None:
    (folder / "mail").mkdir(mode=0o777)
    (folder / "mail").chmod(0o777)
    (folder / "masters").write_text(f"helpdesk:{{PLAIN}}{MASTER_PASSWORD}\n")
    users = [f"full{n}:{{PLAIN}}{STATIC_PASSWORD}::::::userdb_quota_rule=*:storage=100k" for n in range(5)]
    users.append(f"quoting:{{PLAIN}}{PASSWORD}::::::")
    users.append("ümläut:{PLAIN}pässwörd::::::")
    (folder / "users").write_text("\n".join(users) + "\n", encoding="utf-8")
