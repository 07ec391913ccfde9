using Slirp.Wire;

namespace Slirp.Core.World;

/// <summary>A host socket that Core owns: an opaque number, good until <see cref="IHostSockets.Close"/>.</summary>
public readonly record struct HostSocket(int Value)
{
    public static HostSocket None => new(-1);

    public bool IsOpen => Value >= 0;
}

public enum AddressFamily : byte
{
    Ipv4,
    Ipv6,
}

/// <summary>What came with a datagram.</summary>
/// <param name="Source">Who sent it.</param>
/// <param name="LocalAddress">The address it was sent to, where the socket was told to report it.</param>
/// <param name="SegmentSize">Zero, or the length of each datagram but the last of those that were coalesced (UDP_GRO).</param>
/// <param name="Truncated">More octets came than there was room for; they are gone.</param>
/// <param name="TrafficClass">IPv4 TOS or IPv6 traffic class it came with, 0 if unknown.</param>
public record struct DatagramInfo(
    IpEndpoint Source, IpAddress LocalAddress, int SegmentSize, bool Truncated, byte TrafficClass)
{
    /// <summary>The interface it came in by, reported together with <see cref="LocalAddress"/>; else 0.</summary>
    public uint InterfaceIndex { get; init; }
}

/// <summary>How a datagram is to leave.</summary>
/// <param name="SegmentSize">Zero, or the payload is several datagrams of this length, the last maybe shorter (UDP_SEGMENT).</param>
/// <param name="TrafficClass">IPv4 TOS or IPv6 traffic class.</param>
/// <param name="HopLimit">TTL or hop limit; 0 for the host's default.</param>
/// <param name="DontFragment">Send with DF, or in IPv6 whole, and fail with MessageTooLong beyond the path MTU.</param>
public record struct DatagramOptions(int SegmentSize, byte TrafficClass, byte HopLimit, bool DontFragment)
{
    /// <summary>The host's address to send from; the any-address leaves it to the routes.</summary>
    public IpAddress LocalAddress { get; init; }

    /// <summary>The interface to send through, for link-local destinations; 0 leaves it to the routes.</summary>
    public uint InterfaceIndex { get; init; }
}

/// <summary>An ICMP error the kernel queued on a datagram socket (IP_RECVERR): which datagram, what went wrong.</summary>
/// <param name="Destination">Where the failed datagram was going.</param>
/// <param name="Offender">The router or host that said so; the any-address if the local kernel did.</param>
/// <param name="Type">ICMP or ICMPv6 type, as on the wire.</param>
/// <param name="Code">ICMP or ICMPv6 code.</param>
/// <param name="Information">The MTU, for "fragmentation needed" and "packet too big".</param>
/// <param name="IsLocal">The kernel itself made the error, no ICMP message came.</param>
public record struct HostIcmpError(
    IpEndpoint Destination, IpAddress Offender, byte Type, byte Code, uint Information, bool IsLocal);

/// <summary>What Core may ask of the host's sockets. All calls return at once; all sockets report edges to their owner's
/// <see cref="EventTarget"/>, starting with those already true when the socket was opened.</summary>
/// <remarks>Implemented by a struct, so that the engines are compiled for it and call it directly; in tests a script.</remarks>
public interface IHostSockets
{
    /// <summary>A stream socket with a connect under way: ok if it is connected already, InProgress if the outcome will
    /// come as Writable or Error (<see cref="ConnectOutcome"/>); any other error means there is no socket.</summary>
    IoResult OpenTcp(IpEndpoint destination, EventTarget owner, out HostSocket socket);

    /// <summary>Hands an accepted socket to a flow: its events go to <paramref name="owner"/> from now on.</summary>
    IoResult Adopt(HostSocket accepted, EventTarget owner);

    /// <summary>Reads and clears SO_ERROR.</summary>
    HostError TakeError(HostSocket socket);

    /// <summary>How a connect stands that was told of by Error or HangUp: none if it is made, InProgress if the outcome is
    /// still to come, else why it failed. Writable alone says that it is made.</summary>
    HostError ConnectOutcome(HostSocket socket);

    /// <summary>The host's address that the socket speaks from: the any-address if it is bound to none.</summary>
    /// <returns>False if the kernel does not say.</returns>
    bool TryGetLocalAddress(HostSocket socket, out IpAddress address);

    /// <summary>Octets read; 0 is end of file.</summary>
    IoResult Receive(HostSocket socket, Span<byte> into);

    IoResult Send(HostSocket socket, ReadOnlySpan<byte> octets);

    /// <summary>Has the peer of a stream probed when nothing came for <paramref name="idle"/>; one that is gone ends the
    /// connection with TimedOut.</summary>
    void KeepAlive(HostSocket socket, TimeSpan idle);

    /// <summary>No more will be sent: FIN after what is buffered.</summary>
    void ShutdownSend(HostSocket socket);

    /// <summary>After <see cref="ShutdownSend"/>: the peer has acknowledged everything, the end included.</summary>
    bool IsDelivered(HostSocket socket);

    /// <summary>Closes; <paramref name="reset"/> sends RST and discards what is buffered.</summary>
    void Close(HostSocket socket, bool reset);

    /// <summary>A datagram socket bound to a port of the kernel's choice, or connected if <paramref name="peer"/> is
    /// given; errors are queued to it (IP_RECVERR) and the traffic class is reported.</summary>
    /// <param name="fromReserve">It may have one of a few descriptors that others do not get: every flow of the guest's begins
    /// with a name.</param>
    IoResult OpenUdp(AddressFamily family, IpEndpoint? peer, EventTarget owner, out HostSocket socket, bool fromReserve = false);

    /// <summary>A ping socket (icmp(7)): sends and receives echo messages with an identifier of the kernel's choice.</summary>
    IoResult OpenPing(AddressFamily family, EventTarget owner, out HostSocket socket);

    /// <param name="destination">Ignored by connected sockets.</param>
    IoResult SendTo(HostSocket socket, IpEndpoint destination, ReadOnlySpan<byte> payload, in DatagramOptions options);

    IoResult ReceiveFrom(HostSocket socket, Span<byte> into, out DatagramInfo info);

    /// <summary>Takes one entry from the error queue: true if there was one. <paramref name="quoted"/> receives the start
    /// of the datagram that failed, <paramref name="quotedLength"/> says how much.</summary>
    bool TryReceiveError(HostSocket socket, Span<byte> quoted, out int quotedLength, out HostIcmpError error);
}
