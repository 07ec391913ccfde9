using System.Text.Json;

namespace Slirp.EndToEnd.Tests.Harness;

/// <summary>What slirpnet says of itself on the control socket.</summary>
internal sealed record SlirpStatus(
    int TcpFlows, int UdpMappings, Dictionary<string, long> Counters, Dictionary<string, long> Drops)
{
    public long DroppedInAll => Drops.Values.Sum();

    public static async Task<SlirpStatus> AskAsync(ControlClient api)
    {
        using JsonDocument reply = JsonDocument.Parse(await api.AskAsync("""{"execute":"status"}"""));
        JsonElement status = reply.RootElement.GetProperty("return");
        JsonElement flows = status.GetProperty("flows");
        return new SlirpStatus(flows.GetProperty("tcp").GetInt32(), flows.GetProperty("udp").GetInt32(),
            Numbers(status.GetProperty("counters")), Numbers(status.GetProperty("drops")));
    }

    public long Dropped(string reason) => Drops.GetValueOrDefault(reason);

    private static Dictionary<string, long> Numbers(JsonElement of)
    {
        var numbers = new Dictionary<string, long>();
        foreach (JsonProperty property in of.EnumerateObject()) numbers[property.Name] = property.Value.GetInt64();
        return numbers;
    }
}
