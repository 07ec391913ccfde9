using System.Text;
using Slirp.Cli.Options;
using Slirp.Core.Network;
using Slirp.Core.World;
using Slirp.Host;
using Slirp.Wire;

namespace Slirp.Cli;

/// <summary>What is said on standard output when the network is about to work; callers of slirp4netns log it.</summary>
internal static class StartReport
{
    private const int ValueColumn = 19;
    private const int OutboundValueColumn = 20; // as slirp4netns has it

    public static string Compose(
        NetworkPlan plan, NetworkOptions network, LifecycleOptions lifecycle, LinkOffloads offloads, OutboundAddresses outbound)
    {
        var text = new StringBuilder("Starting slirp\n");
        Line(text, "MTU", plan.Mtu);
        Line(text, "Network", plan.Network);
        Line(text, "Netmask", plan.Netmask);
        Line(text, "Gateway", plan.Gateway);
        Line(text, "DNS", plan.Dns);
        Line(text, "DHCP begin", plan.DhcpFirst);
        Line(text, "DHCP end", plan.DhcpLast);
        Line(text, "Recommended IP", plan.Guest);
        if (lifecycle.ApiSocket is string path) Line(text, "API Socket", path);
        if (!outbound.Ipv4.IsAny) Line(text, "Outbound IPv4", outbound.Ipv4, OutboundValueColumn);
        if (!outbound.Ipv6.IsAny) Line(text, "Outbound IPv6", outbound.Ipv6, OutboundValueColumn);
        if (network.MacAddress is MacAddress mac) Line(text, "MAC address", mac);
        Line(text, "Offloads", Describe(offloads));
        if (plan.EnableHostLoopback)
        {
            text.Append("WARNING: 127.0.0.1:* on the host is accessible as ").Append(plan.Gateway)
                .Append(" (set --disable-host-loopback to prohibit connecting to 127.0.0.1:*)\n");
        }
        return text.ToString();
    }

    private static void Line(StringBuilder text, string key, object value, int column = ValueColumn) =>
        text.Append($"* {key}:".PadRight(column)).Append(value).Append('\n');

    private static string Describe(LinkOffloads offloads)
    {
        if ((offloads & LinkOffloads.VirtioHeader) == 0) return "none (no virtio_net header)";
        var names = new List<string>();
        if ((offloads & LinkOffloads.Checksum) != 0) names.Add("csum");
        if ((offloads & LinkOffloads.TcpSegmentation4) != 0) names.Add("tso4");
        if ((offloads & LinkOffloads.TcpSegmentation6) != 0) names.Add("tso6");
        if ((offloads & LinkOffloads.TcpSegmentationEcn) != 0) names.Add("tso-ecn");
        if ((offloads & LinkOffloads.UdpSegmentation) != 0) names.Add("uso");
        return names.Count == 0 ? "none" : string.Join(' ', names);
    }
}
