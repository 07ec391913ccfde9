using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Slirp.Linux.Abi;

namespace Slirp.Linux.Netlink;

/// <summary>Builds one netlink message in octets the caller lends: header, the family's own header, attributes, each on
/// a multiple of four.</summary>
internal ref struct NetlinkRequest
{
    private readonly Span<byte> _buffer;
    private int _length;

    internal NetlinkRequest(Span<byte> buffer, MessageType type, MessageFlag flags)
    {
        _buffer = buffer;
        Type = type;
        Flags = flags | MessageFlag.NLM_F_REQUEST;
        _length = Unsafe.SizeOf<nlmsghdr>();
    }

    internal MessageType Type { get; }
    internal MessageFlag Flags { get; }

    internal void Put<T>(T header) where T : unmanaged
    {
        MemoryMarshal.Write(_buffer[_length..], header);
        _length += Aligned(Unsafe.SizeOf<T>());
    }

    internal void Attribute<TType>(TType type, scoped ReadOnlySpan<byte> data) where TType : struct, Enum
    {
        int start = BeginNested(type);
        data.CopyTo(_buffer[_length..]);
        int padded = Aligned(data.Length);
        _buffer.Slice(_length + data.Length, padded - data.Length).Clear();
        _length += data.Length;
        EndNested(start);
    }

    internal void Attribute<TType>(TType type, uint value) where TType : struct, Enum =>
        Attribute(type, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)));

    internal void Attribute<TType>(TType type, NetAddress address) where TType : struct, Enum
    {
        Span<byte> octets = stackalloc byte[16];
        Attribute(type, address.Write(octets));
    }

    /// <summary>A string with its closing zero.</summary>
    internal void Attribute<TType>(TType type, string text) where TType : struct, Enum => Attribute(type, CString.Encode(text));

    /// <returns>Where it began, for <see cref="EndNested"/>.</returns>
    internal int BeginNested<TType>(TType type) where TType : struct, Enum
    {
        int start = _length;
        MemoryMarshal.Write(_buffer[start..], new rtattr { rta_type = Unsafe.BitCast<TType, ushort>(type) });
        _length += Unsafe.SizeOf<rtattr>();
        return start;
    }

    internal void EndNested(int start)
    {
        MemoryMarshal.Write(_buffer[start..], (ushort)(_length - start)); // rta_len is the first field
        _length = Aligned(_length);
    }

    internal readonly ReadOnlySpan<byte> Finish(uint sequence)
    {
        MemoryMarshal.Write(_buffer, new nlmsghdr
        {
            nlmsg_len = (uint)_length,
            nlmsg_type = (ushort)Type,
            nlmsg_flags = (ushort)Flags,
            nlmsg_seq = sequence,
        });
        return _buffer[.._length];
    }

    internal static int Aligned(int length) => (length + 3) & ~3;
}

/// <summary>Walks the attributes after a netlink message's own header; stops at the first that does not fit.</summary>
internal ref struct AttributeReader
{
    private ReadOnlySpan<byte> _rest;

    internal AttributeReader(ReadOnlySpan<byte> attributes) => _rest = attributes;

    internal ushort Type { get; private set; }
    internal ReadOnlySpan<byte> Data { get; private set; }

    internal readonly uint Value => Data.Length >= sizeof(uint) ? MemoryMarshal.Read<uint>(Data) : 0;
    internal readonly string Text => Encoding.UTF8.GetString(Data.TrimEnd((byte)0));

    internal bool Next()
    {
        if (_rest.Length < Unsafe.SizeOf<rtattr>()) return false;
        var header = MemoryMarshal.Read<rtattr>(_rest);
        if (header.rta_len < Unsafe.SizeOf<rtattr>() || header.rta_len > _rest.Length) return false;
        Type = (ushort)(header.rta_type & 0x3fff); // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
        Data = _rest[Unsafe.SizeOf<rtattr>()..header.rta_len];
        _rest = _rest[Math.Min(NetlinkRequest.Aligned(header.rta_len), _rest.Length)..];
        return true;
    }
}
