"""The delivery status notification (RFC 3464) of the demo's mail server; it builds the mail and sends nothing."""

from __future__ import annotations

import re
from datetime import datetime
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, make_msgid

from reconciler.demo.envelope import Envelope

_TEXT = """\
This is the mail system at {host}.

Your message could not be delivered to this recipient:

<{recipient}>: 550 5.1.1 user unknown
"""


def bounce(envelope: Envelope, recipient: str, *, host: str, now: datetime) -> bytes:
    """A permanent failure for one recipient: text, status and the original's headers, with CRLF line ends.

    It is to be delivered to the envelope's sender with the null sender (RFC 3464, section 2).
    """
    report = MIMEMultipart("report", report_type="delivery-status")
    report["Date"] = format_datetime(now)
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{host}>"
    report["To"] = envelope.mail_from
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Message-ID"] = make_msgid(domain=host)
    report["Auto-Submitted"] = "auto-replied"
    report.attach(MIMEText(_TEXT.format(host=host, recipient=recipient), "plain", "us-ascii"))
    report.attach(_status(recipient, host=host, now=now))
    report.attach(_original_headers(envelope.raw))
    return report.as_bytes(policy=compat32.clone(linesep="\r\n"))


def _status(recipient: str, *, host: str, now: datetime) -> Message:
    about_message, about_recipient = Message(), Message()
    about_message["Reporting-MTA"] = f"dns; {host}"
    about_message["Arrival-Date"] = format_datetime(now)
    about_recipient["Final-Recipient"] = f"rfc822; {recipient}"
    about_recipient["Action"] = "failed"
    about_recipient["Status"] = "5.1.1"
    about_recipient["Diagnostic-Code"] = "smtp; 550 5.1.1 user unknown"
    status = Message()
    status["Content-Type"] = "message/delivery-status"
    status.set_payload([about_message, about_recipient])
    return status


def _original_headers(raw: bytes) -> Message:
    headers, *_ = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)
    part = MIMENonMultipart("text", "rfc822-headers")
    part.set_payload(headers.replace(b"\r\n", b"\n").decode("ascii", "surrogateescape") + "\n")
    return part
