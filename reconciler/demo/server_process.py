"""The process that runs the demo's IMAP and SMTP servers in one event loop; `servers` starts and ends it.

The first line on stdin is the configuration, the one line on stdout tells the ports; the end of stdin is the end of
the process, so that it never outlives the program that started it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from reconciler.demo.imap_server import ImapServer
from reconciler.demo.smtp_server import SmtpServer


def main() -> None:
    """Serve until stdin ends."""
    asyncio.run(_serve(json.loads(sys.stdin.buffer.readline())))


async def _serve(config: dict[str, Any]) -> None:
    mailboxes = ImapServer(config["users"], config["password"])
    imap = await mailboxes.start()
    smtp = await SmtpServer(
        mailboxes,
        password=config["password"],
        unknown_after_accept=config["unknown_after_accept"],
        journal=Path(config["journal"]),
    ).start()
    print(json.dumps({"imap_port": _port(imap), "smtp_port": _port(smtp)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    # Nobody can come in while the loop's end hangs up on those who are connected.
    imap.close()
    smtp.close()


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


if __name__ == "__main__":
    main()
