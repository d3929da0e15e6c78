"""A private server that can be killed with SIGKILL and started again on the same data, as after a power failure."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

from pgerase import server as embedded


class CrashingServer(embedded.EmbeddedServer):
    """An embedded server with `crash`."""

    def crash(self) -> None:
        """Kill the server, all at once, and start it again; it recovers from its log. On the same port."""
        running = self._started
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()
        # Or it would take the folder away, as it does when a test run dies.
        running.watchdog.communicate(b"stopped\n")
        programs = Path(str(running.process.args[0])).parent
        settings = self._server_settings(running.folder, running.port)
        for _ in range(200):
            # Until the last of the old server's children has noticed, its memory is in use and the new one gives up.
            processes = embedded._start(running.folder, programs, running.account, settings, running.log)
            if processes is not None:
                self._running = replace(running, process=processes[0], watchdog=processes[1])
                return
        raise AssertionError(self.log())
