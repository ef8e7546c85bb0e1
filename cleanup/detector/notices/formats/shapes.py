"""Line shapes in which many formats name a recipient."""

from __future__ import annotations

BARE = ("{address}", "{address}:")
COLON = ("{address}: {why}",)
STARRED = (
    "* {address}",
    "- {address}",
    "• {address}",
    "· {address}",
    "> {address}",
    "{n}. {address}",
    "{n}) {address}",
)
WITH_WHY = ("{address}: {why}", "{address} ({why})", "{address} [{why}]", "{address} - {why}", "{address}; {why}")
SENDMAIL = ("{address}", "{address} (reason: {why})", '"|{any}" (expanded from: {address})', "{address} ({why})")
ANYWHERE = (
    *BARE,
    *STARRED,
    *WITH_WHY,
    "{address}, {why}",
    "{address}... {why}",
    "* {address}: {why}",
    "- {address}: {why}",
    "* {address} {why}",
    "- {address} {why}",
    "{any} {address}:",
    "{any}<{address}>{why}",
)
COPY = (  # lines with which many systems begin what they give back
    "original message follows",
    "below this line is a copy of the message",
    "below is a copy of the original message",
    "this is a copy of the message",
    "this is a copy of your message",
    "original message headers",
    "original message header:",
    "message headers follow",
    "message header follows",
    "-- original message --",
    "----- original message -----",
    "-----original message-----",
    "returned message follows",
    "start of returned message",
    "unsent message below",
    "returned message --------",
    "included is a copy of the message header",
    "the header of the original message is following",
    "a copy of the original message",
)
