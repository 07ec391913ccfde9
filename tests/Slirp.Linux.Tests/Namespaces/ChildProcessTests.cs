using System.Diagnostics;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Namespaces;

public class ChildProcessTests
{
    [Fact]
    public void A_clone_that_never_greets_is_ended_and_leaves_nothing()
    {
        HashSet<string> before = OpenDescriptors.Now();
        using (var program = new ChildProgram())
        using (var channel = new ChildChannel())
        {
            _ = program.Add(program.Step("ppoll", "nothing"), Syscalls.ppoll); // sleeps for ever
            program.End(channel);
            var e = Assert.Throws<LinuxException>(() => ChildProcess.Start(program, channel, helloTimeoutMilliseconds: 20));
            Assert.Equal(Errno.ETIMEDOUT, e.Errno);
        }
        OpenDescriptors.AssertNoneAddedTo(before);
        Assert.DoesNotContain("Z", Children());
    }

    [Fact]
    public void The_step_that_failed_is_told_with_its_errno()
    {
        using var program = new ChildProgram();
        using var channel = new ChildChannel();
        ChildProcess.AddBeginning(program, channel);
        int optional = program.Step("openat", "a missing file");
        int fatal = program.Step("close", "a descriptor that is not open", errno => errno == Errno.EBADF ? "open it" : null);
        program.IgnoreError(program.Add(optional, Syscalls.openat, -100, program.String("/nonexistent"), 0));
        _ = program.Add(fatal, Syscalls.close, 999_999);
        program.End(channel);
        using ChildProcess child = ChildProcess.Start(program, channel);
        using var born = new BornDescriptors();
        Assert.Equal(ChildMessage.End, born.Collect(channel));
        Assert.Equal(ChildProgram.FailureStatus << 8, child.Reap());
        Assert.Equal(Errno.ENOENT, program.ErrnoOf(optional));
        Assert.Equal("close on a descriptor that is not open: EBADF (Bad file descriptor); open it", program.FailureOf().Message);
    }

    [Fact]
    public void A_clone_waits_for_its_parent_s_word_and_fails_when_the_parent_is_gone()
    {
        using var program = new ChildProgram();
        var channel = new ChildChannel();
        ChildProcess.AddBeginning(program, channel);
        channel.AddWait(program, program.Step("read", "the channel"));
        program.End(channel);
        using ChildProcess child = ChildProcess.Start(program, channel);
        channel.Dispose(); // as the parent's death would
        _ = child.Reap();
        Assert.Equal(Errno.ECANCELED, program.FailureOf().Errno);
    }

    private static string Children()
    {
        var start = new ProcessStartInfo("ps", ["-o", "stat=", "--ppid", Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true };
        using Process ps = Process.Start(start)!;
        string states = ps.StandardOutput.ReadToEnd();
        ps.WaitForExit();
        return states;
    }
}
