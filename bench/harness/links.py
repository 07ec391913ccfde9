"""The networks under comparison. A Link is up when made: a guest namespace that reaches a server by one address."""

import json
import os
import tempfile
import time

from processes import UNPRIVILEGED, Failed, Namespace, await_octet, end, run, spawn

READY_SECONDS = 20


class Link:
    """What measurements need of a network under test."""

    name = ""
    label = ""
    is_user_mode = False  # has a process of its own, with memory and start-up time

    address = ""        # of the server, as the guest sees it
    server_bind = ""    # the address servers listen on
    pid = None          # of the process that carries the traffic, where there is one

    def guest(self, argv):
        """argv as run in the guest."""
        raise NotImplementedError

    def host(self, argv):
        """argv as run where servers live."""
        return argv

    def close(self):
        raise NotImplementedError


class Loopback(Link):
    name, label = "loopback", "kernel loopback"
    address = server_bind = "127.0.0.1"

    def __init__(self, mtu, files):
        self._space = Namespace()
        self._space.run(["ip", "link", "set", "lo", "mtu", str(mtu)])

    def guest(self, argv):
        return self._space.inside(argv)

    host = guest

    def close(self):
        self._space.close()


class Veth(Link):
    name, label = "veth", "kernel veth pair (root)"
    address = server_bind = "10.0.2.2"

    def __init__(self, mtu, files):
        self._host, self._guest = Namespace(), Namespace()
        try:
            run(["ip", "link", "add", "vhost0", "netns", str(self._host.pid), "type", "veth",
                 "peer", "name", "vguest0", "netns", str(self._guest.pid)])
            for space, device, address in ((self._host, "vhost0", self.address),
                                           (self._guest, "vguest0", "10.0.2.100")):
                space.run(["ip", "link", "set", device, "mtu", str(mtu), "up"])
                space.run(["ip", "address", "add", f"{address}/24", "dev", device])
        except Exception:
            self.close()
            raise

    def guest(self, argv):
        return self._guest.inside(argv)

    def host(self, argv):
        return self._host.inside(argv)

    def close(self):
        self._guest.close()
        self._host.close()


class Slirp4netns(Link):
    name, label = "slirp4netns", "slirp4netns (user)"
    is_user_mode = True
    address, server_bind = "10.0.2.2", "127.0.0.1"
    user = UNPRIVILEGED

    def __init__(self, mtu, files):
        self._space, self._process = Namespace(self.user), None
        self._exit_read, self._exit_write = os.pipe()
        ready_read, ready_write = os.pipe()
        self._log = tempfile.TemporaryFile()
        try:
            argv = [self.binary(files), "-c", "-m", str(mtu), "-r", str(ready_write), "-e", str(self._exit_read),
                    str(self._space.pid), "tap0"]
            started = time.perf_counter()
            # Its exit descriptor ends it with us; a wrapper would only add to the time it takes to start.
            self._process = spawn(argv, self.user, dies_with_us=False, pass_fds=(ready_write, self._exit_read),
                                  stdout=self._log, stderr=self._log)
            os.close(ready_write)
            ready_write = -1
            await_octet(ready_read, READY_SECONDS, self.name)
            self.start_seconds = time.perf_counter() - started
            self.pid = self._process.pid
        except Failed as failure:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip()[-300:]
            self.close()
            raise Failed(f"{failure}: {said}") from None
        finally:
            os.close(ready_read)
            if ready_write >= 0:
                os.close(ready_write)

    @staticmethod
    def binary(files):
        return files.slirp4netns

    def guest(self, argv):
        return self._space.inside(argv)

    def close(self):
        if self._process is not None:
            end(self._process)
        os.close(self._exit_read)
        os.close(self._exit_write)
        self._log.close()
        self._space.close()


class SlirpnetUser(Slirp4netns):
    name, label = "slirpnet-user", "slirpnet (user)"

    @staticmethod
    def binary(files):
        return files.slirpnet


class Slirpnet(SlirpnetUser):
    name, label = "slirpnet", "slirpnet (root)"
    user = None


class Slirp4netnsRoot(Slirp4netns):
    """Only for start-up time, where becoming another user first would be part of the figure."""
    user = None


class Pasta(Link):
    name, label = "pasta", "pasta (user)"
    is_user_mode = True
    server_bind = "127.0.0.1"
    user = UNPRIVILEGED

    def __init__(self, mtu, files):
        self._space, self._process = Namespace(self.user), None
        # In the foreground it says nothing when it is up; in the background its parent ends then. So the pid comes
        # from its pid file, and the namespace's end is what ends it.
        self._pid_file = os.path.join(files.scratch, f"pasta-{self._space.pid}.pid")
        try:
            started = time.perf_counter()
            run([files.pasta, "--config-net", "--mtu", str(mtu), "--pid", self._pid_file, "-t", "none", "-u", "none",
                 "-T", "none", "-U", "none", str(self._space.pid)], self.user, timeout=READY_SECONDS)
            self.start_seconds = time.perf_counter() - started
            with open(self._pid_file, encoding="ascii") as file:
                self.pid = int(file.read())
            routes = json.loads(self._space.run(["ip", "-json", "-4", "route", "show", "default"]))
            if not routes:
                raise Failed("pasta gave the namespace no IPv4 default route")
            self.address = routes[0]["gateway"]
        except Exception:
            self.close()
            raise

    def guest(self, argv):
        return self._space.inside(argv)

    def close(self):
        if self.pid is not None:
            try:
                with open(f"/proc/{self.pid}/comm", encoding="ascii") as comm:
                    if comm.read().startswith("pas"):  # pasta, passt or pasta.avx2
                        os.kill(self.pid, 15)
            except OSError:
                pass
        self._space.close()


ALL = {kind.name: kind for kind in (Loopback, Veth, Slirpnet, SlirpnetUser, Slirp4netns, Pasta)}
