"""Troubles that users of other systems have with desired state, and what must never happen to ours.

A test that shows that one cannot happen here is marked with its name: `@pytest.mark.field("secrets")`.
"""

from __future__ import annotations

SEEN_ELSEWHERE = {
    "unreadable is not empty": "a source that cannot be read is taken for an empty one, and everything is removed",
    "mass removal": "a mass removal passes its guard, because few are not counted or only all are",
    "protection": "a protection vanishes with the block that said it",
    "another plan": "something else is applied than was reviewed, or what cannot be compared passes",
    "one bad file": "one bad file keeps everybody's changes from being applied",
    "back again": "going back to a good state is not applied, because it was seen before",
    "bad start": "a start with a bad folder comes up empty or not at all",
    "secrets": "a secret is printed on the way of an error",
    "redirect": "the host changes, the secret stays, and the password goes to whoever changed it",
    "markup": "what a file says restructures the comment of a pull request",
    "places": "an error names no line",
    "suspended": "something is suspended and forgotten",
    "replayed commit": "an old signed commit is pushed by force and applied",
    "missed events": "links, mounts, editors, slow writes and lost events hide a change, or half of one is applied",
    "YAML": "words become booleans or dates, a second key wins, deep nesting ends the process",
}
"""What happened to users of other systems that hold their configuration as code."""

BAD_INPUT = {
    "names": "names that are not UTF-8, or are not names",
    "text": "content that is not UTF-8, tabs, conflict markers",
    "editors": "byte order marks and Windows line ends",
    "large": "a file of 5 MB",
    "no file": "a FIFO, a device, a dead link or one that leads out of the folder",
    "permission": "the permission to read one tenant's file is lost",
    "force-push": "the branch is put back to an older signed commit",
    "unsigned": "a commit in the middle is not signed",
    "applied twice": "a saved plan is applied a second time",
    "another state": "a saved plan was made on another state",
    "no digest": "what a plan is compared with cannot be computed",
    "two at once": "two reconcilers on one state",
    "disk full": "the disk is full while something is applied",
    "newer schema": "an old program opens a state of a newer one",
    "burst": "thousands of files change at once",
}
"""What administrators and their machines may hand us."""

ATTACKS = {
    "forged token": "a token of ours is altered",
    "truncated token": "a token is cut short",
    "replayed token": "a token that was used is used again, or used after its referral expired",
    "expired token": "a token whose time is over",
    "another tenant's token": "a token of one tenant comes to another's account",
    "another purpose's token": "a token made for one purpose is used for another",
    "guessing": "tokens are guessed at scale",
    "From of ours": "the sender says to be the customer, the agent or an account of ours",
    "Reply-To": "an answer names another address for answers",
    "line breaks": "line breaks in names and subjects",
    "smuggling": "bare CR, bare LF, NUL and a lone dot in a text that goes on by SMTP",
    "recipients": "ten thousand recipients",
    "direction marks": "marks that turn the direction of writing in subjects and names",
    "homoglyphs": "an address that only looks like the expected one",
    "script": "script in HTML",
    "file names": "attachments whose names lead elsewhere",
    "SVG": "script in a picture, inside the HTML and attached",
    "zip bomb": "an archive that unpacks to much more than it is",
    "same Message-ID": "a Message-ID that another mail has already",
    "withdrawn": "a referral is withdrawn a second before the answer is filed",
    "two externals": "two externals on one case, one answers in place of the other",
    "moved": "an answer after the account or the case has moved",
    "closed": "an answer after the case was closed",
    "retired tenant": "an answer after the tenant was removed",
    "ping-pong": "two installations of ours answer each other",
}
"""What people and machines may send us to have a mail reach somebody it should not."""

FAULTS = {
    "refused": "nobody listens where the server should be",
    "reset": "a connection is reset, before the greeting or in the middle of a mail",
    "half-open": "the other end is gone and does not say so",
    "silent after greeting": "the server connects, greets or lets in, and says no more",
    "silent inside a literal": "half of a mail comes, then nothing more",
    "one byte a second": "an answer comes so slowly that it never ends and never stops",
    "garbage for a tagged answer": "what comes is no answer of this protocol",
    "BYE in the middle": "the server ends the session while it gives mails",
    "BYE with SELECT's OK": "the server ends the session in the same breath in which it opens the folder",
    "literal of another length": "a literal is longer or shorter than it was said to be",
    "unsolicited EXPUNGE and EXISTS": "mails come and go while others are given",
    "two FETCH answers": "a mail is given twice, and once more with nothing in it",
    "UIDs reused": "the UIDs of old mails are given to new ones",
    "UIDVALIDITY 0": "the server does not tell what its UIDs hold for",
    "in use": "NO [INUSE]: another client holds the mailbox",
    "throttled": "the server asks to be left alone, in each of the ways that servers have",
    "wrong certificate": "the certificate is another server's or nobody's, or there is no TLS at all",
    "expired certificate": "the certificate's time is over",
    "STARTTLS removed": "somebody in between takes STARTTLS out of what the server offers",
    "PREAUTH": "the server says that the login is done already, so that TLS never begins",
    "data before TLS": "somebody in between says something before TLS begins, to be taken for said within",
    "POP3 silent": "a POP3 server says no more",
    "POP3 garbage": "what comes is no answer of POP3",
    "POP3 IN-USE": "-ERR [IN-USE]: another session has the mailbox locked",
    "POP3 SYS/TEMP": "-ERR [SYS/TEMP]: the server has trouble of its own",
    "POP3 LOGIN-DELAY": "-ERR [LOGIN-DELAY]: the last login was too short ago",
    "POP3 body cut short": "a mail has no end, or nothing in it",
    "UIDL reused": "the UIDL of an old mail is given to a new one",
}
"""What mail servers, and whoever stands between them and us, may do while mails are fetched."""

ROWS = SEEN_ELSEWHERE | BAD_INPUT | ATTACKS | FAULTS
