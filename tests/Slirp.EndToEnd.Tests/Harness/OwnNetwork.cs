using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>The network that the tests themselves run in; only its loopback is used.</summary>
internal sealed class OwnNetwork : ISocketPlace
{
    public static readonly OwnNetwork Instance = new();

    public Socket CreateSocket(AddressFamily family, SocketType type, ProtocolType protocol) =>
        new(family, type, protocol);
}
