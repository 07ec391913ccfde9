"""Child processes that never outlive the run: each dies with this process, whatever ends it."""

import os
import select
import signal
import subprocess

UNPRIVILEGED = "nobody"


class Failed(Exception):
    """A step did not work; the text names it and what it said."""


def command(argv, user=None, dies_with_us=True):
    """argv as it must be run so that it dies with us and, if asked, without privileges."""
    if user is None and not dies_with_us:
        return list(argv)
    words = ["setpriv", "--pdeathsig=KILL"]
    if user is not None:
        words += [f"--reuid={user}", f"--regid={group_of(user)}", "--clear-groups"]
    return words + list(argv)


def group_of(user):
    import grp
    import pwd
    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def run(argv, user=None, timeout=30, check=True):
    """Runs to the end; gives its stdout."""
    try:
        done = subprocess.run(command(argv, user), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(argv)}: no end after {timeout} s") from None
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(argv)}: status {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def spawn(argv, user=None, dies_with_us=True, pass_fds=(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
          stderr=subprocess.DEVNULL):
    return subprocess.Popen(command(argv, user, dies_with_us), stdin=stdin, stdout=stdout, stderr=stderr,
                            pass_fds=pass_fds)


def end(process):
    """TERM, and KILL for one that does not listen; always reaped."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def await_octet(fd, seconds, what):
    """Blocks until fd has an octet; its end or silence is a failure of `what`."""
    ready, _, _ = select.select([fd], [], [], seconds)
    if not ready or not os.read(fd, 16):
        raise Failed(f"{what} was not ready within {seconds} s" if not ready else f"{what} ended before it was ready")


class Namespace:
    """A network namespace of its own, held by a process that ends when we do (its standard input is our pipe)."""

    def __init__(self, user=None):
        flags = "-n" if user is None else "-Urn"
        self._holder = spawn(["unshare", flags, "sh", "-c", "echo up; exec cat"], user,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = self._holder.pid
        await_octet(self._holder.stdout.fileno(), 10, "namespace")
        self.run(["ip", "link", "set", "lo", "up"])

    def inside(self, argv):
        # Root of the machine holds every right over a network namespace, whoever owns it.
        return ["nsenter", "-t", str(self.pid), "-n", *argv]

    def run(self, argv, **how):
        return run(self.inside(argv), **how)

    def close(self):
        end(self._holder)
