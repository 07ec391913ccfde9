using System.Net;
using System.Net.Sockets;
using Slirp.Linux.Namespaces;
using Slirp.Linux.Netlink;
using Slirp.Linux.Tests.Support;
using Xunit;

namespace Slirp.Linux.Tests.Netlink;

public class DiagnosisSocketTests
{
    [RootNamespaceFact]
    public void Tells_of_both_ends_of_a_connection() => TellsOfBothEnds("127.0.0.1");

    [RootNamespaceFact]
    public void Tells_of_both_ends_of_an_IPv6_connection() => TellsOfBothEnds("::1");

    private static void TellsOfBothEnds(string address)
    {
        using var listener = new TcpListener(IPAddress.Parse(address), 0);
        listener.Start();
        using var client = new TcpClient(listener.LocalEndpoint.AddressFamily);
        client.Connect((IPEndPoint)listener.LocalEndpoint);
        using TcpClient accepted = listener.AcceptTcpClient(); // only then is it a connection at both ends
        int server = ((IPEndPoint)listener.LocalEndpoint).Port, own = ((IPEndPoint)client.Client.LocalEndPoint!).Port;
        using AttachedNamespace attached = NamespaceAttach.Open(new AttachRequest { NetworkNamespacePath = "/proc/self/ns/net" });
        using var diagnosis = new DiagnosisSocket(attached.Diagnosis!);

        IReadOnlyList<TcpConnectionInfo> connections = diagnosis.ListTcpConnections();

        Assert.Single(connections, one => one.LocalPort == own && one.RemotePort == server && one.Local == one.Remote);
        Assert.Single(connections, one => one.LocalPort == server && one.RemotePort == own);
        Assert.DoesNotContain(connections, one => one.RemotePort == 0); // a listener is no connection
    }
}
