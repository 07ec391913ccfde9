using System.Collections.Immutable;
using Slirp.Cli.Options;
using Slirp.Core.Network;
using Slirp.Host.Forwards;
using Slirp.Linux;
using Slirp.Wire;

namespace Slirp.Cli;

/// <summary>From --publish rules to forwards.</summary>
internal static class PublishedPorts
{
    // A port that the kernel chose for IPv4 may be taken in IPv6: then it chooses again.
    private const int PortTries = 16;

    /// <exception cref="ForwardException">One cannot be had. Those before it stand until the table is disposed.</exception>
    public static void Bind(IForwards forwards, ImmutableArray<PublishRule> rules, NetworkPlan plan, Log log)
    {
        foreach (PublishRule rule in rules)
        {
            if (rule.HostAddress is IpAddress address) Announce(Added(forwards.Add(RequestFor(rule, address, plan))), log);
            else BindEverywhere(forwards, rule, plan, log);
        }
    }

    /// <summary>A rule without an address: all addresses of both families, as far as the host has both.</summary>
    private static void BindEverywhere(IForwards forwards, PublishRule rule, NetworkPlan plan, Log log)
    {
        for (int tries = PortTries; ; tries--)
        {
            ForwardRequest four = RequestFor(rule, Ipv4Address.Any, plan);
            ForwardResult first = forwards.Add(four);
            ushort port = first.Info?.Bound.HostPort ?? four.HostPort;
            ForwardResult second = forwards.Add(four with { HostAddress = IpAddress.Ipv6Any, HostPort = port });
            if (IsWithoutFamily(second) && first.Info is not null)
            {
                Announce(first.Info, log);
                return;
            }
            if (second is { Info: null, Errno: Errno.EADDRINUSE } && first.Info is not null && four.HostPort == 0 && tries > 1)
            {
                forwards.Remove(first.Info.Id);
                continue;
            }
            if (!IsWithoutFamily(first)) Announce(Added(first), log);
            Announce(Added(second), log);
            return;
        }
    }

    private static bool IsWithoutFamily(ForwardResult result) =>
        result is { Info: null, Errno: Errno.EAFNOSUPPORT or Errno.EADDRNOTAVAIL };

    private static ForwardRequest RequestFor(PublishRule rule, IpAddress address, NetworkPlan plan) =>
        new(rule.Protocol, address, rule.Host.First, rule.Host.Count, plan.Guest, rule.Guest.First);

    private static ForwardInfo Added(ForwardResult result) =>
        result.Info ?? throw new ForwardException($"cannot publish {result.Problem}");

    private static void Announce(ForwardInfo info, Log log)
    {
        ForwardRequest bound = info.Bound;
        string protocol = bound.Protocol == IpProtocol.Tcp ? "tcp" : "udp";
        string range = bound.Count > 1 ? $" and the {bound.Count - 1} ports after it" : "";
        log.Info($"forwarding {new IpEndpoint(bound.HostAddress, bound.HostPort)}/{protocol}{range} " +
            $"to {new IpEndpoint(bound.GuestAddress, bound.GuestPort)}");
    }
}
