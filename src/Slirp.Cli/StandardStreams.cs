using System.Text;
using Slirp.Linux;

namespace Slirp.Cli;

/// <summary>Standard output and error, written whole lines at a time and at once: whoever reads a pipe sees each line when
/// it is said, and a caller that has gone away is no reason to end.</summary>
internal static class StandardStreams
{
    public static void Output(string text) => Write(1, text);

    /// <summary>Output for which nobody waits: one who does not read it keeps a thread.</summary>
    public static void OutputInBackground(string text)
    {
        if (IsReady(1)) Output(text);
        else new Thread(() => Output(text)) { IsBackground = true }.Start();
    }

    public static void Error(string text) => Write(2, text);

    public static bool IsErrorReady => IsReady(2);

    /// <summary>Unless that would have to wait for whoever reads it.</summary>
    public static void ErrorAtOnce(string text)
    {
        if (IsErrorReady) Error(text);
    }

    /// <summary>The last words: who does not read them for so long will not.</summary>
    public static void ErrorWithin(TimeSpan patience, string text)
    {
        if (IsErrorReady)
        {
            Error(text);
            return;
        }
        var writer = new Thread(() => Error(text)) { IsBackground = true };
        writer.Start();
        _ = writer.Join(patience);
    }

    /// <summary>A pipe that is ready takes 4096 octets at once (pipe(7)).</summary>
    private static bool IsReady(int descriptor) =>
        Descriptor.Poll(new RawFd(descriptor), PollEvents.POLLOUT, 0, out PollEvents ready).IsOk && (ready & PollEvents.POLLOUT) != 0;

    private static void Write(int descriptor, string text)
    {
        ReadOnlySpan<byte> octets = Encoding.UTF8.GetBytes(text);
        while (!octets.IsEmpty)
        {
            SysResult written = Descriptor.Write(new RawFd(descriptor), octets);
            if (!written.IsOk) return;
            octets = octets[written.Raw..];
        }
    }
}
