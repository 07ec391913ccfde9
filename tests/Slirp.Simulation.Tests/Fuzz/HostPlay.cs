using Slirp.Core.World;
using Slirp.Testing;
using Slirp.Wire;

namespace Slirp.Simulation.Tests.Fuzz;

/// <summary>What the host side does to the sockets that were opened: answers, refusals, resets, errors, nonsense.</summary>
internal sealed class HostPlay(FakeHost host, Random random, FakeSocket spared)
{
    private static readonly HostError[] ConnectErrors =
    [
        HostError.ConnectionRefused, HostError.HostUnreachable, HostError.NetworkUnreachable, HostError.TimedOut, HostError.AccessDenied,
        HostError.AddressNotAvailable, HostError.NoBuffers, HostError.Other, HostError.ConnectionReset,
    ];

    public void Begin()
    {
        host.ConnectOutcome = _ => random.Next(10) switch
        {
            0 => HostError.None,
            1 => ConnectErrors[random.Next(ConnectErrors.Length)],
            _ => HostError.InProgress,
        };
    }

    public void Step()
    {
        host.LinkResult = random.Next(50) switch { 0 => LinkResult.Busy, 1 => LinkResult.Down, _ => LinkResult.Ok };
        host.OpenUdpOutcome = random.Next(40) == 0 ? HostError.NoBuffers : HostError.None;
        host.OpenPingOutcome = random.Next(40) == 0 ? HostError.AccessDenied : HostError.None;
        host.DescriptorLimit = random.Next(100) == 0 ? host.OpenCount : 100_000;
        int recent = Math.Max(0, host.Sockets.Count - 60);
        for (int i = 0; i < 3 && host.Sockets.Count > 0; i++)
        {
            FakeSocket socket = host.Sockets[random.Next(recent, host.Sockets.Count)];
            if (!socket.IsOpen || socket == spared) continue;
            if (socket.Kind == FakeSocketKind.Tcp) PlayStream(socket);
            else PlayDatagrams(socket);
        }
    }

    /// <summary>Nobody outside wants anything any more.</summary>
    public void End()
    {
        (host.LinkResult, host.OpenUdpOutcome, host.OpenPingOutcome) = (LinkResult.Ok, HostError.None, HostError.None);
        foreach (FakeSocket socket in host.Sockets.ToArray())
            if (socket is { IsOpen: true, Kind: FakeSocketKind.Tcp } && socket != spared) socket.DeliverReset();
    }

    private void PlayStream(FakeSocket socket)
    {
        if (!socket.IsConnected)
        {
            if (random.Next(3) > 0) socket.CompleteConnect();
            else if (random.Next(2) == 0) socket.FailConnect(ConnectErrors[random.Next(ConnectErrors.Length)]);
            return;
        }
        switch (random.Next(12))
        {
            case < 5:
                socket.Deliver(Octets(random.Next(1, random.Next(5) == 0 ? 200_000 : 3000)));
                break;
            case 5:
                socket.DeliverEndOfFile();
                break;
            case 6:
                socket.DeliverReset(random.Next(2) == 0 ? HostError.ConnectionReset : HostError.TimedOut);
                break;
            case 7:
                socket.LimitSend(random.Next(5000));
                break;
            case 8:
                socket.FailStream(random.Next(2) == 0 ? HostError.NoBuffers : HostError.WouldBlock, random.Next(3));
                break;
            case 9:
                socket.StopsAtMarks = true;
                socket.Raise(HostEvents.Urgent);
                break;
            default:
                if (socket.SendRoom < 1 << 20) socket.MakeRoom(random.Next(100_000));
                break;
        }
    }

    private void PlayDatagrams(FakeSocket socket)
    {
        bool v4 = socket.Family == AddressFamily.Ipv4;
        SentDatagram? last = socket.Datagrams.Count > 0 ? socket.Datagrams[^1] : null;
        IpEndpoint from = last?.Destination ?? FrameFactory.Endpoint(v4 ? "192.0.2.9" : "2001:db8::9", random.Next(65536));
        switch (random.Next(8))
        {
            case 0:
                var error = new HostIcmpError(
                    from, random.Next(3) == 0 ? default : from.Address, (byte)random.Next(14), (byte)random.Next(16), (uint)random.Next(70_000), random.Next(3) == 0);
                socket.DeliverError(error, Octets(random.Next(100)), random.Next(2) == 0 ? HostError.ConnectionRefused : HostError.HostUnreachable);
                break;
            case 1:
                socket.FailSends(HostError.MessageTooLong, HostError.NetworkUnreachable, HostError.NoBuffers);
                break;
            case 2:
                socket.PathMtu = random.Next(300, 2000);
                break;
            case 3:
                socket.DeliverDatagram(FrameFactory.Endpoint(v4 ? "127.0.0.1" : "::1", random.Next(65536)), Octets(random.Next(2000)));
                break;
            default:
                byte[] answer = last is not null && random.Next(3) > 0 ? Answer(last.Payload) : Octets(random.Next(random.Next(9) == 0 ? 65_507 : 1400));
                socket.DeliverDatagram(from, answer, random.Next(5) == 0 && answer.Length > 100 ? random.Next(1, answer.Length) : 0, (byte)random.Next(256));
                break;
        }
    }

    /// <summary>What was asked, turned into something like an answer: DNS by its response bit, echo by its type.</summary>
    private byte[] Answer(byte[] question)
    {
        byte[] answer = [.. question, .. Octets(random.Next(30))];
        if (answer.Length > 3) answer[2] |= 0x80;
        if (answer.Length > 0 && random.Next(2) == 0) answer[0] = answer[0] switch { 8 => 0, 128 => 129, var other => other };
        if (answer.Length > 0 && random.Next(4) == 0) answer[random.Next(answer.Length)] = (byte)random.Next(0xd0);
        return answer;
    }

    private byte[] Octets(int length)
    {
        var octets = new byte[length];
        for (int i = 0; i < length; i++) octets[i] = (byte)random.Next(0xd0);
        return octets;
    }
}
