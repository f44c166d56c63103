"""`python -m tests.benchmarks.slow_provider PORT FILE`: serves one picture under every address.

The first part of the path is how many milliseconds it takes to begin: `/500/any.jpg`.
"""

import asyncio
import sys
from pathlib import Path


async def serve(port: int, picture: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: {len(picture)}\r\n\r\n".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(int(request.split(b"/", 2)[1]) / 1000)
                writer.write(head + picture)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
