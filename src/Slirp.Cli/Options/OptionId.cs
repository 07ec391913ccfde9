namespace Slirp.Cli.Options;

/// <summary>What an option means; a deprecated spelling shares the id of the option that replaced it.</summary>
public enum OptionId
{
    Configure,
    ExitFd,
    ReadyFd,
    Mtu,
    Cidr,
    DisableHostLoopback,
    NetnsType,
    UsernsPath,
    ApiSocket,
    EnableIpv6,
    EnableSandbox,
    EnableSeccomp,
    Help,
    Version,
    OutboundAddr,
    OutboundAddr6,
    DisableDns,
    MacAddress,
    TargetType,
    Publish,
    NoOffload,
    NoExitWithTarget,
    LogLevel,
}
