using System.Net.Sockets;

namespace Slirp.Host.Tests;

/// <summary>What a service manager asks for by its variables (sd_notify(3), sd_watchdog_enabled(3)), with the test in its
/// place.</summary>
public sealed class ServiceManagerTests : IDisposable
{
    private const int Pid = 4711;

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"service-manager-{Guid.NewGuid():N}");
    private readonly Socket _manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);

    public ServiceManagerTests() => _manager.Bind(new UnixDomainSocketEndPoint(_path));

    public void Dispose()
    {
        _manager.Dispose();
        File.Delete(_path);
    }

    [Theory]
    [InlineData("200000", null, 100_000)]
    [InlineData("200000", "", 100_000)]
    [InlineData("200000", "4711", 100_000)]
    [InlineData("200000", "4712", null)] // it is for another process, which has it from the same unit
    [InlineData("60000000", null, 30_000_000)]
    [InlineData("2", null, 1)]
    [InlineData("1", null, null)]
    [InlineData("0", null, null)]
    [InlineData("-200000", null, null)]
    [InlineData(" 200000", null, null)]
    [InlineData("200 ms", null, null)]
    [InlineData("99999999999999999999", null, null)]
    [InlineData("", null, null)]
    [InlineData(null, null, null)]
    [InlineData(null, "4711", null)]
    public void The_watchdog_is_to_be_fed_at_half_of_its_time(string? microseconds, string? pid, int? expected)
    {
        using ServiceManager? manager = Find(("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", pid));
        Assert.NotNull(manager);
        Assert.Equal(expected, (int?)manager.WatchdogInterval?.TotalMicroseconds);
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData("", true)]
    [InlineData("4711", true)]
    [InlineData("4712", false)] // the service is whoever started us
    public void Only_the_service_itself_speaks(string? service, bool speaks)
    {
        using ServiceManager? manager = Find(("SYSTEMD_EXEC_PID", service), ("WATCHDOG_USEC", "200000"));
        Assert.Equal(speaks, manager is not null);
    }

    [Fact]
    public void Each_word_is_a_datagram()
    {
        using (ServiceManager? manager = Find())
        {
            manager!.Ready();
            manager.Alive();
            manager.Stopping();
        }

        var buffer = new byte[100];
        foreach (string word in (string[])["READY=1", "WATCHDOG=1", "STOPPING=1"])
            Assert.Equal(word, System.Text.Encoding.ASCII.GetString(buffer, 0, _manager.Receive(buffer)));
    }

    private ServiceManager? Find(params (string Name, string? Value)[] variables)
    {
        Dictionary<string, string?> all = variables.ToDictionary(variable => variable.Name, variable => variable.Value);
        all["NOTIFY_SOCKET"] = _path;
        return ServiceManager.FromEnvironment(name => all.GetValueOrDefault(name), Pid, warning => Assert.Fail(warning));
    }
}
