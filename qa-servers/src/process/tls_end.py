"""Speaks TLS on one loopback port and passes what it hears on to another, until it is killed.

TLS_PORT and TLS_SERVER are the two ports; TLS_CERTIFICATE and TLS_KEY name the files of this end.
Where TLS_AUTHORITY names a file, clients must show a certificate of that authority.
"""

import asyncio
import os
import ssl

port, server = os.environ["TLS_PORT"], os.environ["TLS_SERVER"]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["TLS_CERTIFICATE"], os.environ["TLS_KEY"])
if "TLS_AUTHORITY" in os.environ:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(os.environ["TLS_AUTHORITY"])


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # Who broke the connection knows why.
    finally:
        writer.close()


async def serve(heard, said):
    try:
        answers, questions = await asyncio.open_connection("127.0.0.1", server)
    except OSError:
        said.close()
        return
    await asyncio.gather(copy(heard, questions), copy(answers, said))


async def main():
    listener = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    await listener.serve_forever()


asyncio.run(main())
