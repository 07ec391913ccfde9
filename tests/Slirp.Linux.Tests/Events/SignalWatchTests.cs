using Slirp.Linux.Events;
using Slirp.Linux.Native;
using Slirp.Linux.Tests.Support;
using Xunit;
using static Slirp.Linux.SignalNumber;

namespace Slirp.Linux.Tests.Events;

public class SignalWatchTests
{
    private static readonly SignalOrigin FromProcess = MachineCode.IsSupported ? SignalOrigin.Process : SignalOrigin.Unknown;

    [Fact]
    public void A_signal_is_an_event_of_its_own_descriptor()
    {
        var watch = new SignalWatch(SIGUSR1, SIGUSR2);
        Dictionary<int, EventFd> descriptors = watch.Descriptors.ToDictionary(one => one.Signal, one => one.Fd);
        Assert.Equal([SIGUSR1, SIGUSR2], descriptors.Keys.Order());
        Assert.Equal(SignalOrigin.None, watch.Take(SIGUSR2));
        for (int i = 0; i < 3; i++) Raise(SIGUSR2);
        Wait.For(descriptors[SIGUSR2]);
        Assert.Equal(FromProcess, watch.Take(SIGUSR2));
        Assert.Equal(SignalOrigin.None, watch.Take(SIGUSR2));
        Assert.Equal(SignalOrigin.None, watch.Take(SIGUSR1));
        Assert.Equal(SignalOrigin.None, watch.Take(SIGTERM));
    }

    /// <summary>Whatever its thread is at: allocating, collecting, throwing, asleep in a call.</summary>
    [Fact]
    public void A_thread_that_is_interrupted_goes_on_as_if_nothing_had_been()
    {
        var watch = new SignalWatch(SIGUSR1);
        bool isOver = false;
        int number = 0;
        long sum = 0, expected = 0;
        var worker = new Thread(() =>
        {
            Volatile.Write(ref number, Libc.Call(Syscalls.gettid).Raw);
            for (int i = 1; !Volatile.Read(ref isOver); i++)
            {
                expected += i;
                sum += new int[i % 1000 + 1].Length > 0 ? Thrown(i) : 0;
            }
        });
        worker.Start();
        while (Volatile.Read(ref number) == 0) Thread.Yield();
        for (int i = 0; i < 2000; i++)
        {
            Assert.True(Libc.Call(Syscalls.tgkill, Environment.ProcessId, number, SIGUSR1).IsOk);
            if (i % 100 == 0) GC.Collect(0);
        }
        Volatile.Write(ref isOver, true);
        worker.Join();
        Assert.Equal(FromProcess, watch.Take(SIGUSR1));
        Assert.Equal(expected, sum);
    }

    /// <summary>What a shell ignores for a command in the background, or nohup(1) for any; SIGTERM is always meant.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("HUP")]
    [InlineData("INT QUIT TERM")]
    public void What_the_terminal_sends_stays_ignored_if_it_was(string ignored)
    {
        (int status, string output) = HelperProcess.RunThroughShell(ignored.Length > 0 ? $"trap '' {ignored};" : "", "", "signals");
        // These tests may run in the background themselves: what is ignored then cannot be taken back.
        IEnumerable<string> expected = new[] { ("HUP", SIGHUP), ("INT", SIGINT), ("QUIT", SIGQUIT) }
            .Where(one => !ignored.Contains(one.Item1, StringComparison.Ordinal) && !SignalDisposition.IsIgnored(one.Item2)).Select(one => one.Item1);
        Assert.Equal((0, string.Join(' ', expected.Append("TERM"))), (status, output.Trim()));
    }

    [Fact]
    public void There_is_no_signal_of_that_number()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new SignalWatch(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new SignalWatch(32));
    }

    private static long Thrown(int value)
    {
        try
        {
            throw new InvalidOperationException();
        }
        catch (InvalidOperationException)
        {
            return value;
        }
    }

    private static void Raise(int signal) => Assert.Equal(0, Libc.kill(Environment.ProcessId, signal));
}
