"""`python -m dispatcher.sandbox [--host 127.0.0.1] [--port 8090]`: prints its address, runs until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio

from dispatcher.sandbox import serve


def main() -> None:
    """Run the sandbox; exit 0 after SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m dispatcher.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8090, help="0: any free port")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
