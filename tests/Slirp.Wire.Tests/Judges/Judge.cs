using System.Buffers.Binary;
using System.Diagnostics;

namespace Slirp.Wire.Tests.Judges;

/// <summary>Runs an outside program and writes what it reads.</summary>
internal static class Judge
{
    public static string[] Run(string program, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {errors.Result}");
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>A classic pcap file of Ethernet frames, a microsecond apart.</summary>
    public static void WritePcap(string path, IReadOnlyList<byte[]> frames)
    {
        using FileStream file = File.Create(path);
        Span<byte> header = stackalloc byte[24];
        BinaryPrimitives.WriteUInt32LittleEndian(header, 0xa1b2c3d4);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], 4);
        header[8..16].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header[16..], 262_144);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], 1); // LINKTYPE_ETHERNET
        file.Write(header);
        Span<byte> record = header[..16];
        for (int i = 0; i < frames.Count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(record, 0);
            BinaryPrimitives.WriteInt32LittleEndian(record[4..], i);
            BinaryPrimitives.WriteInt32LittleEndian(record[8..], frames[i].Length);
            BinaryPrimitives.WriteInt32LittleEndian(record[12..], frames[i].Length);
            file.Write(record);
            file.Write(frames[i]);
        }
    }
}
