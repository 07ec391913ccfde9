using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Every way of naming the target, by everybody who may: a connection each way is the proof.</summary>
public class AttachTests
{
    public static TheoryData<Attachment, bool> Ways => new()
    {
        { Attachment.Pid, false },
        { Attachment.Pid, true },
        { Attachment.Path, false },
        { Attachment.PathInUserNamespace, true },
    };

    [EndToEndTheory]
    [MemberData(nameof(Ways))]
    public Task Reaches_the_host(Attachment attachment, bool asUser) =>
        GuestNetwork.WithAsync(new SlirpPlan { Attachment = attachment, AsUser = asUser }, EchoesAsync);

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData(Attachment.Descriptor)]
    [InlineData(Attachment.PathInUserNamespace)] // root names a user namespace it need not enter
    public Task Reaches_the_host_in_ways_of_its_own(Attachment attachment) =>
        GuestNetwork.WithAsync(new SlirpPlan { Attachment = attachment }, EchoesAsync);

    /// <summary>It is neither said to be done nor passed over in silence.</summary>
    [EndToEndFact(SlirpnetOnly = true)]
    public Task What_does_not_concern_a_given_TAP_is_named()
    {
        var plan = new SlirpPlan { Attachment = Attachment.Descriptor, MoreOptions = ["-c", "--macaddress=02:00:00:00:00:01"] };
        return GuestNetwork.WithAsync(plan, async network =>
        {
            await network.Slirp.StderrLineAsync("--configure, --macaddress: left out");
            Assert.DoesNotContain("02:00:00:00:00:01", network.Slirp.StdoutSoFar, StringComparison.Ordinal);
            await EchoesAsync(network);
        });
    }

    /// <summary>As RootlessKit does: the TAP is there and up before, and stays after.</summary>
    [EndToEndFact]
    public Task Takes_a_persistent_tap_that_is_up() => TakesPersistentTapAsync();

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("multi_queue")]
    [InlineData("vnet_hdr")]
    [InlineData("multi_queue,vnet_hdr")]
    public Task Takes_a_persistent_tap_however_it_was_made(string flags) => TakesPersistentTapAsync(flags.Split(','));

    private static Task TakesPersistentTapAsync(params string[] flags)
    {
        var plan = new SlirpPlan
        {
            Configure = false,
            Before = async network =>
            {
                (await network.Guest.RunAsync(
                    ["ip", "tuntap", "add", "name", GuestNetwork.TapName, "mode", "tap", .. flags])).Succeeded();
                (await network.Guest.RunAsync("ip", "link", "set", GuestNetwork.TapName, "up")).Succeeded();
            },
        };
        return GuestNetwork.WithAsync(plan, async network =>
        {
            await network.ConfigureByHandAsync();
            await EchoesAsync(network);
            network.SlirpMayEnd();
            network.Slirp.CloseExitDescriptor();
            Assert.Equal(0, (await network.Slirp.WaitAsync()).Status);
            (await network.Guest.RunAsync("ip", "link", "show", GuestNetwork.TapName)).Succeeded();
        });
    }

    private static async Task EchoesAsync(GuestNetwork network)
    {
        await using var server = new TcpServer(network.Host, GuestNetwork.Loopback(AddressFamily.InterNetwork),
            TcpServer.EchoAsync);
        using Socket socket = await network.ConnectAsync(AddressFamily.InterNetwork, server.Port);
        byte[] sent = Payload.Octets(seed: 1, 1000), got = new byte[1000];
        await socket.SendAsync(sent).WithinAsync("send");
        for (int count = 0; count < got.Length;)
        {
            int more = await socket.ReceiveAsync(got.AsMemory(count)).WithinAsync("receive");
            Assert.NotEqual(0, more);
            count += more;
        }

        Assert.Equal(sent, got);
        socket.Shutdown(SocketShutdown.Send);
        await server.FinishedAsync();
    }
}
