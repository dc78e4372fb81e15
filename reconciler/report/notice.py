"""Writes what a tenant's owners are told: subject and text of a mail, without any value of the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from reconciler.core.notice import News
from reconciler.report.terminal import visible

_MOST_FINDINGS = 20


def notice(news: Sequence[News], source: str, commit: str | None) -> tuple[str, str]:
    """Subject and text, the tenants in the order of `news`."""
    if len(news) == 1:
        subject = f"Mail accounts of {news[0].outcome.tenant}: {news[0].told.state}"
    else:
        counted = Counter(one.told.state for one in news)
        said = ", ".join(f"{counted[s]} {s}" for s in ("held", "blocked", "retired", "applied") if counted[s])
        subject = f"Mail accounts of {len(news)} tenants: {said}"
    lines = [line for one in news for line in (*_tenant(one), "")]
    where = visible(f"{source} at commit {commit}" if commit else source)
    return subject, "\n".join([*lines, f"Read from {where}.", "You get this mail because `owners:` names you.", ""])


def _tenant(news: News) -> Iterator[str]:
    outcome = news.outcome
    runs = "Nothing runs yet." if outcome.revision is None else f"Revision {outcome.revision} runs on."
    match news.told.state:
        case "applied":
            yield f"{outcome.tenant}: applied. Revision {outcome.revision} runs."
        case "retired":
            yield f"{outcome.tenant}: retired. Its file is gone; its cases stay."
        case "blocked":
            yield f"{outcome.tenant}: blocked. {runs}"
            yield f"  {visible(outcome.reason)}"
        case _:
            yield f"{outcome.tenant}: held, because its files have errors. {runs}"
            for finding in news.findings[:_MOST_FINDINGS]:
                yield visible(f"  {finding.file}:{finding.line}:{finding.column}: {finding.code} {finding.message}")
            if len(news.findings) > _MOST_FINDINGS:
                yield f"  and {len(news.findings) - _MOST_FINDINGS} more; see: reconciler validate"
            if not news.findings:
                yield f"  {visible(outcome.reason)}"
