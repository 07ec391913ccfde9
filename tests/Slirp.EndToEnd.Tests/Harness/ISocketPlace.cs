using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A network to make sockets in: a namespace, or the one the tests run in.</summary>
internal interface ISocketPlace
{
    Socket CreateSocket(AddressFamily family, SocketType type, ProtocolType protocol);
}
