"""Python runs this at the start of any process that has this folder in its PYTHONPATH: a name service that can fail.

While the file named by NAMES_UNKNOWN exists, no name is known, `localhost` neither; addresses in digits still are.
"""

import os
import socket
import sys


def _fail(event, args):
    if event == "socket.getaddrinfo" and args[0] == "localhost" and os.path.exists(os.environ["NAMES_UNKNOWN"]):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


sys.addaudithook(_fail)
