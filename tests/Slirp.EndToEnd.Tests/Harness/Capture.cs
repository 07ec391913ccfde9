namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>tcpdump on the guest's interface. The file goes away with the test unless it is kept.</summary>
internal sealed class Capture : IAsyncDisposable
{
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

    /// <summary>Ends the capture with all that was seen in its file.</summary>
    public async Task FinishAsync()
    {
        _tcpdump.Signal(UnixSignal.Interrupt);
        await _tcpdump.WaitAsync();
    }

    /// <summary>Ends the capture and moves its file to where a person finds it.</summary>
    public async Task<string> KeepAsync()
    {
        await FinishAsync();
        Directory.CreateDirectory(Machine.Kept);
        string kept = Path.Combine(Machine.Kept, $"{DateTime.Now:yyyyMMdd-HHmmss}-{_name}");
        System.IO.File.Move(File, kept, overwrite: true);
        _isKept = true;
        return kept;
    }

    public async ValueTask DisposeAsync()
    {
        await _tcpdump.DisposeAsync();
        if (!_isKept) System.IO.File.Delete(File);
    }
}
