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

    /// <summary>Asks until it has counted so many.</summary>
    public static Task CountsAsync(ControlClient api, string name, long atLeast)
    {
        async Task PollAsync()
        {
            while ((await AskAsync(api)).Of(name) < atLeast) await Task.Delay(5);
        }

        return PollAsync().WithinAsync($"{atLeast} {name}");
    }

    public long Dropped(string reason) => Drops.GetValueOrDefault(reason);

    /// <summary>A counter or a drop by its name.</summary>
    public long Of(string name) => Counters.TryGetValue(name, out long count) ? count : Dropped(name);

    /// <summary>What has risen since, for people.</summary>
    public string Since(SlirpStatus earlier)
    {
        IEnumerable<string> names = Counters.Keys.Concat(Drops.Keys);
        return string.Join(", ", from name in names where Of(name) != earlier.Of(name) select $"{name} +{Of(name) - earlier.Of(name)}");
    }

    private static Dictionary<string, long> Numbers(JsonElement of)
    {
        var numbers = new Dictionary<string, long>();
        foreach (JsonProperty property in of.EnumerateObject()) numbers[property.Name] = property.Value.GetInt64();
        return numbers;
    }
}
