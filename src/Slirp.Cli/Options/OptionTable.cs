using System.Collections.Immutable;

namespace Slirp.Cli.Options;

/// <summary>Every option, slirp4netns' own first and in its order, which is the order that getopt_long lists
/// candidates in when an abbreviation is ambiguous.</summary>
public static class OptionTable
{
    public static ImmutableArray<OptionDeclaration> All { get; } =
    [
        new(OptionId.Configure, "configure", 'c'),
        new(OptionId.ExitFd, "exit-fd", 'e', TakesValue: true),
        new(OptionId.ReadyFd, "ready-fd", 'r', TakesValue: true),
        new(OptionId.Mtu, "mtu", 'm', TakesValue: true),
        new(OptionId.Cidr, "cidr", TakesValue: true),
        new(OptionId.DisableHostLoopback, "disable-host-loopback"),
        new(OptionId.DisableHostLoopback, "no-host-loopback") { ReplacedBy = "disable-host-loopback" },
        new(OptionId.NetnsType, "netns-type", TakesValue: true) { Scope = OptionScope.Attach },
        new(OptionId.UsernsPath, "userns-path", TakesValue: true) { Scope = OptionScope.Attach },
        new(OptionId.ApiSocket, "api-socket", 'a', TakesValue: true),
        new(OptionId.EnableIpv6, "enable-ipv6", '6'),
        new(OptionId.EnableSandbox, "enable-sandbox"),
        new(OptionId.EnableSandbox, "create-sandbox") { ReplacedBy = "enable-sandbox" },
        new(OptionId.EnableSeccomp, "enable-seccomp"),
        new(OptionId.Help, "help", 'h'),
        new(OptionId.Version, "version", 'v'),
        new(OptionId.OutboundAddr, "outbound-addr", TakesValue: true),
        new(OptionId.OutboundAddr6, "outbound-addr6", TakesValue: true),
        new(OptionId.DisableDns, "disable-dns"),
        new(OptionId.MacAddress, "macaddress", TakesValue: true),
        new(OptionId.TargetType, "target-type", TakesValue: true) { Scope = OptionScope.Attach },
        new(OptionId.Publish, "publish", 'p', TakesValue: true) { IsExtension = true },
        new(OptionId.NoOffload, "no-offload", TakesValue: true) { IsExtension = true },
        new(OptionId.NoExitWithTarget, "no-exit-with-target") { IsExtension = true, Scope = OptionScope.Attach },
        new(OptionId.LogLevel, "log-level", TakesValue: true) { IsExtension = true },
    ];

    public static ImmutableArray<OptionDeclaration> ForAttach { get; } = Select(OptionScope.Attach);

    public static ImmutableArray<OptionDeclaration> ForRun { get; } = Select(OptionScope.Run);

    private static ImmutableArray<OptionDeclaration> Select(OptionScope scope)
    {
        var selected = ImmutableArray.CreateBuilder<OptionDeclaration>(All.Length);
        foreach (OptionDeclaration option in All)
            if ((option.Scope & scope) != 0) selected.Add(option);
        return selected.ToImmutable();
    }
}
