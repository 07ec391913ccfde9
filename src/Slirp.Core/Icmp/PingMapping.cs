using Slirp.Core.Flows;

namespace Slirp.Core.Icmp;

/// <summary>A guest address with an echo identifier (in the place of the port) and its ping socket.</summary>
public sealed class PingMapping : DatagramMapping
{
    public ushort Identifier => Key.Guest.Port;
}
