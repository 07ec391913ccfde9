using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>A second slirpnet inside a namespace that the first one serves.</summary>
public class NestedTests
{
    [EndToEndTheory(SlirpnetOnly = true, Tools = "socat")]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_inner_guest_reaches_the_outer_host(bool asUser)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        string[] become = asUser ? Machine.AsUser : [];
        await using ChildProcess outer = ChildProcess.Start(
        [
            .. become, Machine.Binary, "run", "--", Machine.Binary, "run", "--cidr=10.0.3.0/24", "--",
            "sh", "-c", $"ip -4 -o addr show tap0; echo hello | socat -t 60 - TCP:10.0.2.2:{port}",
        ]);
        using TcpClient accepted = await listener.AcceptTcpClientAsync().WithinAsync("the inner guest's connection");
        using var reader = new StreamReader(accepted.GetStream());
        Assert.Equal("hello", await reader.ReadLineAsync().WithinAsync("what the inner guest says"));
        await accepted.GetStream().WriteAsync("answer\n"u8.ToArray());
        accepted.Close();
        string output = (await outer.WaitAsync()).Succeeded();
        Assert.Contains("10.0.3.100/24", output, StringComparison.Ordinal);
        Assert.Contains("answer", output, StringComparison.Ordinal);
    }
}
