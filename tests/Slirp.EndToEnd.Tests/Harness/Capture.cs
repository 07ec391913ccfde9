using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>tcpdump on the guest's interface. The file goes away with the test unless it is kept.</summary>
internal sealed class Capture : IAsyncDisposable
{
    private const int DiscardPort = 9;

    private readonly ChildProcess _tcpdump;
    private readonly string _name;
    private bool _isKept;

    private Capture(ChildProcess tcpdump, string file, string name)
    {
        _tcpdump = tcpdump;
        File = file;
        _name = name;
    }

    public string File { get; }

    /// <param name="octets">Of each frame; the default has room for all headers.</param>
    /// <param name="guest">Where the interface is.</param>
    /// <param name="interfaceName">What to listen on.</param>
    public static async Task<Capture> StartAsync(TestNamespace guest, string interfaceName, int octets = 200)
    {
        string name = $"guest-{guest.Pid}.pcap";
        string file = Path.Combine(Machine.Scratch, name);
        ChildProcess tcpdump = guest.Start("tcpdump", "-i", interfaceName, "-n", "-U", "-Z", "root", "-B", "16384",
            "-s", $"{octets}", "-w", file);
        try
        {
            await tcpdump.StderrLineAsync("listening on");
            return new Capture(tcpdump, file, name);
        }
        catch
        {
            await tcpdump.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends the capture with all that crossed the interface until now in its file.</summary>
    /// <remarks>tcpdump drops what it has not read yet when it is told to end. So the guest sends a last datagram, and
    /// the end waits until that is in the file.</remarks>
    public async Task FinishAsync(TestNamespace guest)
    {
        await MarkEndAsync(guest).WithinAsync("the last frame in the capture");
        await EndAsync();
    }

    /// <summary>Ends the capture and moves its file to where a person finds it.</summary>
    public async Task<string> KeepAsync(TestNamespace guest)
    {
        // The guest may be in any state by now: its last frame is worth a few seconds, and no failure of its own.
        await Task.WhenAny(MarkEndAsync(guest), Task.Delay(TimeSpan.FromSeconds(3)));
        await EndAsync();
        Directory.CreateDirectory(Machine.Kept);
        string kept = Path.Combine(Machine.Kept, $"{DateTime.Now:yyyyMMdd-HHmmss}-{_name}");
        System.IO.File.Move(File, kept, overwrite: true);
        _isKept = true;
        return kept;
    }

    private async Task MarkEndAsync(TestNamespace guest)
    {
        byte[] marker = Encoding.ASCII.GetBytes($"the end {Guid.NewGuid():N}"); // text: random octets look like RTCP now and then
        using Socket socket = guest.CreateSocket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        await socket.SendToAsync(marker, new IPEndPoint(GuestNetwork.Gateway(AddressFamily.InterNetwork), DiscardPort));
        await ContainsAsync(marker);
    }

    private async Task EndAsync()
    {
        _tcpdump.Signal(UnixSignal.Interrupt);
        await _tcpdump.WaitAsync();
    }

    private async Task ContainsAsync(byte[] marker)
    {
        await using var stream = new FileStream(File, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var tail = Array.Empty<byte>();
        while (tail.AsSpan().IndexOf(marker) < 0 && !_tcpdump.HasExited)
        {
            // Long enough for a frame of any size after the marker; the file only grows.
            stream.Seek(-Math.Min(stream.Length, 1 << 18), SeekOrigin.End);
            tail = new byte[stream.Length - stream.Position];
            await stream.ReadExactlyAsync(tail);
            await Task.Delay(10);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _tcpdump.DisposeAsync();
        if (!_isKept) System.IO.File.Delete(File);
    }
}
