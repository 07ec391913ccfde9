using System.Text.Json;
using System.Text.Unicode;

namespace Slirp.Host.Control;

/// <summary>Finds the end of a request in what has come so far: the first JSON value, whatever follows it.</summary>
internal static class ControlRequest
{
    /// <summary>As slirp4netns, which reads 4096 octets once and takes a full buffer for too much.</summary>
    public const int MaxLength = 4095;

    /// <summary>Requests are three objects deep at most.</summary>
    public const int MaxDepth = 16;

    /// <param name="received">All that has come.</param>
    /// <param name="isLast">No more will come.</param>
    /// <param name="length">Of the first value and the white space before it, if it is complete.</param>
    public static RequestFraming Frame(ReadOnlySpan<byte> received, bool isLast, out int length)
    {
        length = 0;
        bool isTooMuch = received.Length > MaxLength;
        ReadOnlySpan<byte> looked = isTooMuch ? received[..MaxLength] : received;
        try
        {
            var reader = new Utf8JsonReader(
                looked, isLast && !isTooMuch, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
            while (reader.Read())
            {
                if (reader.CurrentDepth > 0 || reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray) continue;
                length = (int)reader.BytesConsumed;
                return RequestFraming.Complete;
            }
        }
        catch (JsonException)
        {
            return isTooMuch ? RequestFraming.TooLarge : RequestFraming.Malformed;
        }
        if (isTooMuch) return RequestFraming.TooLarge;
        return isLast ? RequestFraming.Malformed : RequestFraming.Incomplete;
    }

    /// <returns>Null if it is no JSON after all: text that is not UTF-8, or a name that is no text.</returns>
    public static JsonDocument? Parse(ReadOnlyMemory<byte> request)
    {
        if (!Utf8.IsValid(request.Span)) return null;
        try
        {
            // A name that is half a surrogate pair ("\ud800") is JSON by its grammar, and every search for another name would
            // stumble over it: so each is read once here.
            var reader = new Utf8JsonReader(request.Span, new JsonReaderOptions { MaxDepth = MaxDepth });
            while (reader.Read())
                if (reader.TokenType == JsonTokenType.PropertyName) _ = reader.GetString();
            return JsonDocument.Parse(request, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }
}

internal enum RequestFraming
{
    /// <summary>More has to come.</summary>
    Incomplete,

    /// <summary>The first value is whole.</summary>
    Complete,

    /// <summary>No continuation makes it JSON.</summary>
    Malformed,

    TooLarge,
}
