using System.Text.Json;
using Slirp.Core.Network;
using Slirp.Host.Forwards;
using Slirp.Wire;

namespace Slirp.Host.Control;

/// <summary>What a request means: slirp4netns's three commands, and <c>status</c>.</summary>
/// <remarks>
/// <para>Field names, the phrases of errors and the order of checks are slirp4netns's, which programs parse. What it got
/// wrong is right here: a missing protocol is an error, and so is a port that is not one.</para>
/// <para>Beyond it: IPv6 addresses; <c>host_port_end</c> and <c>guest_port_end</c>, a range bound whole or not at all;
/// <c>host_port</c> 0, answered with the port chosen; <c>detail</c> beside an error's <c>desc</c>.</para>
/// </remarks>
internal sealed class ControlCommands(IForwards forwards, NetworkPlan plan, Action<Utf8JsonWriter> writeStatus)
{
    /// <param name="request">One JSON value.</param>
    public byte[] Answer(ReadOnlyMemory<byte> request)
    {
        using JsonDocument? document = ControlRequest.Parse(request);
        if (document is null) return ControlReply.Error("cannot parse JSON");
        JsonElement root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object) return ControlReply.Error("json_object() failed");
        if (!root.TryGetProperty("execute", out JsonElement execute) || !ControlArguments.TryReadText(execute, out string command))
            return ControlReply.Error("no execute found");
        return command switch
        {
            "add_hostfwd" => Add(new ControlArguments(root)),
            "list_hostfwd" => List(),
            "remove_hostfwd" => Remove(new ControlArguments(root)),
            "status" => ReturnObject(writeStatus),
            _ => ControlReply.Error("unknown execute"),
        };
    }

    private byte[] Add(ControlArguments arguments)
    {
        ForwardRequest? request = arguments.ReadForward(plan.Guest, out string? fault);
        if (request is null) return ControlReply.Error($"add_hostfwd: bad arguments.{fault}");
        ForwardResult result = forwards.Add(request);
        if (result.Info is not ForwardInfo info) return ControlReply.Error("add_hostfwd: slirp_add_hostfwd failed", result.Problem);
        return ReturnObject(writer =>
        {
            writer.WriteNumber("id", info.Id);
            if (request.HostPort == 0) writer.WriteNumber("host_port", info.Bound.HostPort);
        });
    }

    private byte[] Remove(ControlArguments arguments)
    {
        if (!arguments.TryReadInteger("id", 1, int.MaxValue, out int id)) return ControlReply.Error("remove_hostfwd: bad arguments.id");
        if (!forwards.Remove(id)) return ControlReply.Error("remove_hostfwd: bad arguments.id", $"there is no forward {id}");
        return ReturnObject(static _ => { });
    }

    /// <summary>The entries twice: at the top, where programs look, and in the wrapper that the manual promises.</summary>
    private byte[] List()
    {
        ForwardInfo[] list = forwards.List();
        return ControlReply.Compose(writer =>
        {
            WriteEntries(writer, list);
            writer.WriteStartObject("return");
            WriteEntries(writer, list);
            writer.WriteEndObject();
        });
    }

    private static byte[] ReturnObject(Action<Utf8JsonWriter> writeMembers) => ControlReply.Compose(writer =>
    {
        writer.WriteStartObject("return");
        writeMembers(writer);
        writer.WriteEndObject();
    });

    private static void WriteEntries(Utf8JsonWriter writer, ForwardInfo[] list)
    {
        writer.WriteStartArray("entries");
        foreach (ForwardInfo info in list)
        {
            ForwardRequest bound = info.Bound;
            writer.WriteStartObject();
            writer.WriteNumber("id", info.Id);
            writer.WriteString("proto", bound.Protocol == IpProtocol.Tcp ? "tcp" : "udp");
            writer.WriteString("host_addr", bound.HostAddress.ToString());
            writer.WriteNumber("host_port", bound.HostPort);
            writer.WriteString("guest_addr", bound.GuestAddress.ToString());
            writer.WriteNumber("guest_port", bound.GuestPort);
            if (bound.Count > 1)
            {
                writer.WriteNumber("host_port_end", bound.HostPort + bound.Count - 1);
                writer.WriteNumber("guest_port_end", bound.GuestPort + bound.Count - 1);
            }
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }
}
