using System.Net.Sockets;
using System.Text;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>A program that talks to the control socket as callers of slirp4netns do.</summary>
internal sealed class ControlClient(string path)
{
    /// <summary>As RootlessKit: a line, the end of our half, and everything until the end of theirs.</summary>
    public async Task<string> AskAsync(string request)
    {
        using Socket socket = await SendAsync(request + "\n");
        var reply = new MemoryStream();
        var buffer = new byte[4096];
        while (await socket.ReceiveAsync(buffer).WithinAsync($"the reply to {request}") is int count and > 0)
            reply.Write(buffer, 0, count);
        return Encoding.UTF8.GetString(reply.ToArray());
    }

    /// <summary>As Podman: a line, the end of our half, and one read.</summary>
    public async Task<string> AskByOneReadAsync(string request)
    {
        using Socket socket = await SendAsync(request + "\n");
        var buffer = new byte[2048];
        int count = await socket.ReceiveAsync(buffer).WithinAsync($"the reply to {request}");
        return Encoding.UTF8.GetString(buffer, 0, count);
    }

    private async Task<Socket> SendAsync(string request)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path)).WithinAsync($"a connection to {path}");
        await socket.SendAsync(Encoding.UTF8.GetBytes(request));
        socket.Shutdown(SocketShutdown.Send);
        return socket;
    }
}
