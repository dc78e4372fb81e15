"""A TCP proxy that adds a round trip: `python -m bench.delay MS LISTEN:TARGET …`, each direction half of it."""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """What is read is written `seconds` later, however much is on its way."""
    loop = asyncio.get_running_loop()
    way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, data = await way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    writing = asyncio.create_task(write())
    with contextlib.suppress(OSError):
        while data := await reader.read(256 * 1024):
            way.put_nowait((loop.time() + seconds, data))
    way.put_nowait((loop.time() + seconds, b""))
    with contextlib.suppress(OSError, NotImplementedError):
        await writing


async def _serve(milliseconds: float, pairs: list[tuple[int, int]]) -> None:
    async def pair(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", target)
        half = milliseconds / 2000
        await asyncio.gather(_carry(reader, there_writer, half), _carry(there_reader, writer, half))
        for end in (writer, there_writer):
            end.close()

    for listen, target in pairs:
        await asyncio.start_server(lambda r, w, t=target: pair(r, w, t), "127.0.0.1", listen, backlog=1024)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), [(int(a), int(b)) for a, b in (p.split(":") for p in sys.argv[2:])]))
