namespace Slirp.Wire.Dhcp;

/// <summary>Walks DHCP options: the options field, then <c>file</c> and <c>sname</c> where option 52 lends them (RFC 2131
/// section 4.1).</summary>
/// <remarks>Pads are stepped over, End closes a field, an option that runs past its field ends the whole walk. Each field
/// is walked at most once and option 52 counts only in the first, so no message can make the walk loop.</remarks>
public ref struct DhcpOptionReader
{
    private ReadOnlySpan<byte> _rest, _file, _serverName;
    private byte _overload;
    private int _field; // 0: options, 1: file, 2: sname

    internal DhcpOptionReader(ReadOnlySpan<byte> options, ReadOnlySpan<byte> file, ReadOnlySpan<byte> serverName)
    {
        _rest = options;
        _file = file;
        _serverName = serverName;
    }

    /// <param name="value">Borrowed from the message.</param>
    /// <returns>False at the end of the last field and at the first fault.</returns>
    public bool TryRead(out DhcpOptionCode code, out ReadOnlySpan<byte> value)
    {
        value = default;
        while (true)
        {
            int start = _rest.IndexOfAnyExcept((byte)DhcpOptionCode.Pad);
            code = start < 0 ? DhcpOptionCode.End : (DhcpOptionCode)_rest[start];
            if (code == DhcpOptionCode.End)
            {
                if (!TryEnterNextField()) return false;
                continue;
            }
            _rest = _rest[start..];
            if (_rest.Length < 2 || _rest.Length < 2 + _rest[1]) return Stop();
            value = _rest.Slice(2, _rest[1]);
            _rest = _rest[(2 + value.Length)..];
            if (code == DhcpOptionCode.Overload && _field == 0 && value.Length == 1) _overload = value[0];
            return true;
        }
    }

    private bool TryEnterNextField()
    {
        while (++_field <= 2)
        {
            if ((_overload & _field) == 0) continue; // bit 1 lends file, bit 2 sname
            _rest = _field == 1 ? _file : _serverName;
            return true;
        }
        return Stop();
    }

    private bool Stop()
    {
        _rest = default;
        _field = 2;
        return false;
    }
}
