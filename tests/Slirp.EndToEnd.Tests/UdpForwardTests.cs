using System.Net;
using System.Net.Sockets;
using Slirp.EndToEnd.Tests.Harness;
using Xunit;

namespace Slirp.EndToEnd.Tests;

/// <summary>Datagrams from outside to servers of the guest, and the answers.</summary>
public class UdpForwardTests
{
    [EndToEndTheory(SlirpnetOnly = true)]
    [MemberData(nameof(TcpForwardTests.Clients), MemberType = typeof(TcpForwardTests))]
    public Task The_guest_sees_who_sends_and_the_answer_comes_from_where_it_was_sent(string from, string to, string seen) =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8053:53/udp", "--disable-host-loopback"), async network =>
        {
            using Socket server = ForwardPlan.GuestDatagrams(network, 53);
            using Socket client = ForwardPlan.From(network, from, SocketType.Dgram);
            var asked = new IPEndPoint(IPAddress.Parse(to), 8053);
            foreach (int size in new[] { 1, 0, 1472, 1473, 9000, 65507 })
            {
                byte[] question = Payload.Octets(size, size);
                await client.SendToAsync(question, asked).WithinAsync("a question");
                (byte[] octets, IPEndPoint source) = await ForwardPlan.ReceiveAsync(server);
                Assert.Equal(question, octets);
                Assert.Equal(new IPEndPoint(IPAddress.Parse(seen), ((IPEndPoint)client.LocalEndPoint!).Port), source);
                await server.SendToAsync(octets, source).WithinAsync("an answer");
                (octets, source) = await ForwardPlan.ReceiveAsync(client);
                Assert.Equal(question, octets);
                Assert.Equal(asked, source);
            }
        });

    [EndToEndTheory(SlirpnetOnly = true)]
    [InlineData("127.0.0.1")]
    [InlineData(ForwardPlan.Outside)]
    public Task Each_answer_comes_from_the_address_and_port_that_were_hit(string from) =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8001:53/udp", "-p", "8002:53/udp"), async network =>
        {
            using Socket server = ForwardPlan.GuestDatagrams(network, 53);
            using Socket client = ForwardPlan.From(network, from, SocketType.Dgram);
            IPEndPoint[] asked =
            [
                new(IPAddress.Parse(ForwardPlan.Hit), 8001), new(IPAddress.Parse(ForwardPlan.Hit), 8002),
                new(IPAddress.Parse(ForwardPlan.Outside), 8001),
            ];
            var seen = new List<IPEndPoint>();
            for (byte i = 0; i < asked.Length; i++)
            {
                await client.SendToAsync(new[] { i }, asked[i]).WithinAsync("a question");
                (byte[] octets, IPEndPoint source) = await ForwardPlan.ReceiveAsync(server);
                Assert.Equal([i], octets);
                seen.Add(source);
            }
            Assert.Equal(asked.Length, seen.Distinct().Count());
            for (byte i = 0; i < asked.Length; i++)
            {
                await server.SendToAsync(new[] { i }, seen[i]).WithinAsync("an answer");
                (byte[] octets, IPEndPoint source) = await ForwardPlan.ReceiveAsync(client);
                Assert.Equal([i], octets);
                Assert.Equal(asked[i], source);
            }
        });

    [EndToEndFact(SlirpnetOnly = true)]
    public Task Many_clients_are_answered_each() =>
        GuestNetwork.WithAsync(ForwardPlan.With("-p", "8053:53/udp"), async network =>
        {
            using Socket server = ForwardPlan.GuestDatagrams(network, 53);
            for (int i = 0; i < 300; i++)
            {
                using Socket client = ForwardPlan.From(network, i % 2 == 0 ? "127.0.0.1" : ForwardPlan.Outside, SocketType.Dgram);
                byte[] question = Payload.Octets(i, 100);
                await client.SendToAsync(question, new IPEndPoint(IPAddress.Parse(ForwardPlan.Hit), 8053)).WithinAsync("a question");
                (byte[] octets, IPEndPoint source) = await ForwardPlan.ReceiveAsync(server);
                await server.SendToAsync(octets, source).WithinAsync("an answer");
                Assert.Equal(question, (await ForwardPlan.ReceiveAsync(client)).Octets);
            }
        });
}
