using System.Net;
using System.Net.Sockets;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>Why a connect fails.</summary>
internal static class ConnectFailure
{
    /// <summary>The error of a connect from <paramref name="place"/> to <paramref name="target"/>; Success if it was made.</summary>
    /// <remarks>Linux wakes whoever waits for a connect when it queues an ICMP error about it, a moment before the socket has
    /// the error, and a test host that looks in that moment takes it for made (one in a thousand). Whether it was is what
    /// the first octet says.</remarks>
    public static async Task<SocketError> ConnectErrorAsync(this ISocketPlace place, IPEndPoint target)
    {
        using Socket socket = place.CreateSocket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(target).WithinAsync($"the outcome of a connect to {target}");
            await socket.SendAsync(new byte[1]).WithinAsync($"an octet to {target}");
            return SocketError.Success;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode;
        }
    }
}
