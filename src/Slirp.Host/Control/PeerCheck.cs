using Slirp.Linux;
using Slirp.Linux.Sockets;

namespace Slirp.Host.Control;

/// <summary>Who may give orders: the user we run as, and root.</summary>
/// <remarks>The kernel tells a peer's user as our own user namespace names it: a container's root that is our user
/// outside is our user here. Where we are not mapped ourselves all strangers look like us (user_namespaces(7)), and the
/// socket file, which only its owner may write, is what keeps them out.</remarks>
internal sealed class PeerCheck
{
    private const uint Root = 0;

    private readonly uint _own = OwnUser();

    public bool MayCommand(SocketFd client) =>
        UnixSocket.GetPeer(client, out PeerCredentials peer).IsOk && IsAllowed(peer.UserId, _own);

    internal static bool IsAllowed(uint peer, uint own) => peer == Root || peer == own;

    /// <summary>The effective user, as a peer would see it.</summary>
    private static uint OwnUser()
    {
        UnixSocket.OpenPair(out OwnedFd first, out OwnedFd second);
        using (first)
        using (second)
        {
            _ = UnixSocket.GetPeer(first.AsSocket, out PeerCredentials own).OrThrow("getsockopt(SO_PEERCRED)", "a socket pair");
            return own.UserId;
        }
    }
}
