using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Slirp.Host.Control;

/// <summary>Replies as slirp4netns words them: one JSON object, no line end.</summary>
internal static class ControlReply
{
    // A reply goes to a terminal or a log, not into a web page.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Compose(Action<Utf8JsonWriter> writeMembers)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, Options))
        {
            writer.WriteStartObject();
            writeMembers(writer);
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    /// <param name="tail">One of the phrases that callers know, which follow "bad request: ".</param>
    /// <param name="detail">What exactly went wrong, for people.</param>
    public static byte[] Error(string tail, string? detail = null) => Compose(writer =>
    {
        writer.WriteStartObject("error");
        writer.WriteString("desc", "bad request: " + tail);
        if (detail is not null) writer.WriteString("detail", detail);
        writer.WriteEndObject();
    });
}
