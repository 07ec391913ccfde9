using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>The stack works with each offload missing, alone and together, at both ends of the range of MTUs.</summary>
public class OffloadTests
{
    public static TheoryData<string, int> Missing
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (string without in (string[])["tso", "uso", "csum", "tso,uso", "tso,csum", "uso,csum", "tso,uso,csum"])
            {
                data.Add(without, 1500);
                data.Add(without, 65520);
            }

            return data;
        }
    }

    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(Missing))]
    public Task Carries_everything_without(string offloads, int mtu) =>
        GuestNetwork.WithAsync(
            new SlirpPlan { OwnHost = true, Mtu = mtu, MoreOptions = [$"--no-offload={offloads}"], Capture = false }, async network =>
            {
                foreach (AddressFamily family in new[] { AddressFamily.InterNetwork, AddressFamily.InterNetworkV6 })
                {
                    await Transfer.OneAfterTheOtherAsync(network, family, 4 << 20);
                    await Transfer.BothAtOnceAsync(network, family, 1 << 20);
                    await Datagrams.EchoAsync(network, family, 0, 1, 1472, 1473, 9000, 65507);
                }
            });
}
