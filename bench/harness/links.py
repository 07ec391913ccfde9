"""The networks under comparison. A Link is up when made: a guest namespace that reaches a server by one address."""

import json
import os
import socket
import subprocess
import tempfile
import time

from processes import UNPRIVILEGED, Failed, Namespace, await_octet, end, group_of, run, spawn

READY_SECONDS = 20


class Link:
    """What measurements need of a network under test."""

    name = ""
    label = ""
    is_user_mode = False  # has a process of its own, with memory and start-up time

    address = ""        # of the server, as the guest sees it
    server_bind = ""    # the address servers listen on
    pid = None          # of the process that carries the traffic, where there is one

    measured = ("tcp", "latency", "connections", "udp", "resources")

    # A link made with forward=PORT lets the host reach that port of the guest at (forward_address, PORT).
    forward_address = None

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
    forward_address = "10.0.2.100"

    def __init__(self, mtu, files, forward=None):
        self._host, self._guest = Namespace(), Namespace()
        try:
            run(["ip", "link", "add", "vhost0", "netns", str(self._host.pid), "type", "veth",
                 "peer", "name", "vguest0", "netns", str(self._guest.pid)])
            for space, device, address in ((self._host, "vhost0", self.address),
                                           (self._guest, "vguest0", self.forward_address)):
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
    forward_address = "127.0.0.1"
    user = UNPRIVILEGED

    def __init__(self, mtu, files, forward=None):
        self._space, self._process = Namespace(self.user), None
        api = os.path.join(files.scratch, f"api-{self._space.pid}.sock")
        self._exit_read, self._exit_write = os.pipe()
        ready_read, ready_write = os.pipe()
        self._log = tempfile.TemporaryFile()
        try:
            argv = [self.binary(files), "-c", "-m", str(mtu), "-r", str(ready_write), "-e", str(self._exit_read),
                    *(["-a", api] if forward else []), str(self._space.pid), "tap0"]
            started = time.perf_counter()
            # Its exit descriptor ends it with us; a wrapper would only add to the time it takes to start.
            self._process = spawn(argv, self.user, dies_with_us=False, pass_fds=(ready_write, self._exit_read),
                                  stdout=self._log, stderr=self._log)
            os.close(ready_write)
            ready_write = -1
            await_octet(ready_read, READY_SECONDS, self.name)
            self.start_seconds = time.perf_counter() - started
            self.pid = self._process.pid
            if forward:
                self._add_forward(api, forward)
        except Failed as failure:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip()[-300:]
            self.close()
            raise Failed(f"{failure}: {said}") from None
        finally:
            os.close(ready_read)
            if ready_write >= 0:
                os.close(ready_write)

    def _add_forward(self, api, port):
        request = {"execute": "add_hostfwd", "arguments": {
            "proto": "tcp", "host_addr": self.forward_address, "host_port": port, "guest_addr": "", "guest_port": port}}
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(READY_SECONDS)
            client.connect(api)
            client.sendall(json.dumps(request).encode())
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(4096).decode()
        if '"id"' not in answer:
            raise Failed(f"{self.name} would not forward port {port}: {answer}")

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
    forward_address = "127.0.0.1"
    user = UNPRIVILEGED

    def __init__(self, mtu, files, forward=None):
        self._space, self._process = Namespace(self.user), None
        # In the foreground it says nothing when it is up; in the background its parent ends then. So the pid comes
        # from its pid file, and the namespace's end is what ends it.
        self._pid_file = os.path.join(files.scratch, f"pasta-{self._space.pid}.pid")
        try:
            started = time.perf_counter()
            ports = f"{self.forward_address}/{forward}" if forward else "none"
            run([files.pasta, "--config-net", "--mtu", str(mtu), "--pid", self._pid_file, "-t", ports, "-u", "none",
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


class Relay(Link):
    """The least that a program between a TAP and sockets can do (relay.c): bulk TCP from and to the namespace only."""
    name, label = "relay", "bare relay in C (root)"
    measured = ("tcp",)
    address, server_bind = "10.0.2.2", "127.0.0.1"

    def __init__(self, mtu, files):
        self._space = Namespace()
        self._process = spawn([files.relay, f"/proc/{self._space.pid}/ns/net", str(mtu)], stdout=subprocess.PIPE)
        try:
            await_octet(self._process.stdout.fileno(), READY_SECONDS, self.name)
            for words in (f"link set tap0 mtu {mtu} txqueuelen 10000 up", "address add 10.0.2.100/24 dev tap0",
                          f"neighbour add {self.address} lladdr 02:00:00:00:00:02 dev tap0"):
                self._space.run(["ip", *words.split()])
        except Exception:
            self.close()
            raise

    def guest(self, argv):
        return self._space.inside(argv)

    def close(self):
        end(self._process)
        self._space.close()


class RootlessKit(Link):
    """Its builtin port driver, which copies between a socket outside and one inside: no TAP is in the way."""
    name, label = "rootlesskit", "RootlessKit builtin (user)"
    measured = ()
    forward_address = "127.0.0.1"

    # RootlessKit wants subordinate ids for its user: in a mount namespace of its own the user has some.
    _SCRIPT = """
        set -e
        echo "$1:200000:65536" >"$2/subid"
        touch /etc/subuid /etc/subgid
        mount --bind "$2/subid" /etc/subuid
        mount --bind "$2/subid" /etc/subgid
        mkdir -p "$2/home"
        chown "$1" "$2/home"
        exec setpriv --reuid="$1" --regid="$3" --clear-groups env HOME="$2/home" XDG_RUNTIME_DIR="$2/home" \\
            rootlesskit --net=slirp4netns --slirp4netns-binary="$4" --mtu="$5" --state-dir="$2/home/state" --copy-up=/etc \\
            --port-driver=builtin -p "127.0.0.1:$6:$6/tcp" sh -c 'echo up; exec cat'
        """

    def __init__(self, mtu, files, forward):
        self._folder = tempfile.mkdtemp(prefix="rootlesskit-", dir=files.scratch)
        os.chmod(self._folder, 0o755)
        self._process = spawn(["unshare", "-m", "sh", "-c", self._SCRIPT, "sh", UNPRIVILEGED, self._folder,
                               group_of(UNPRIVILEGED), files.slirp4netns, str(mtu), str(forward)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            await_octet(self._process.stdout.fileno(), READY_SECONDS, self.name)
            self._child = self._child_pid()
        except Exception:
            self.close()
            raise

    def _child_pid(self):
        """RootlessKit writes it once the ports are open, which may be after its child has begun."""
        end_of_patience = time.monotonic() + READY_SECONDS
        while time.monotonic() < end_of_patience:
            try:
                with open(f"{self._folder}/home/state/child_pid", encoding="ascii") as file:
                    return int(file.read())
            except (OSError, ValueError):
                time.sleep(0.02)
        raise Failed("rootlesskit wrote no child_pid")

    def guest(self, argv):
        return ["nsenter", "-t", str(self._child), "-n", *argv]

    def close(self):
        self._process.stdin.close()  # its child's end is its own
        end(self._process)


ALL = {kind.name: kind for kind in (Loopback, Veth, Relay, Slirpnet, SlirpnetUser, Slirp4netns, Pasta, RootlessKit)}
