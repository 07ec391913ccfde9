using System.Text;
using Slirp.Linux;

namespace Slirp.Cli;

/// <summary>Standard output and error, written whole lines at a time and at once: whoever reads a pipe sees each line when
/// it is said, and a caller that has gone away is no reason to end.</summary>
internal static class StandardStreams
{
    public static void Output(string text) => Write(1, text);

    public static void Error(string text) => Write(2, text);

    /// <summary>Unless that would have to wait for whoever reads it.</summary>
    public static void ErrorAtOnce(string text)
    {
        SysResult polled = Descriptor.Poll(new RawFd(2), PollEvents.POLLOUT, 0, out PollEvents ready);
        if (polled.IsOk && (ready & PollEvents.POLLOUT) != 0) Error(text);
    }

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
