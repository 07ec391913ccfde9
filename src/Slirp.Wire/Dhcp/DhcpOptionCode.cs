namespace Slirp.Wire.Dhcp;

/// <summary>Option codes (RFC 2132, RFC 3397). Unknown values are legal input.</summary>
public enum DhcpOptionCode : byte
{
    Pad = 0,
    SubnetMask = 1,
    Router = 3,
    DomainNameServer = 6,
    HostName = 12,
    DomainName = 15,
    InterfaceMtu = 26,
    BroadcastAddress = 28,
    RequestedAddress = 50,
    LeaseTime = 51,
    Overload = 52,
    MessageType = 53,
    ServerIdentifier = 54,
    ParameterRequestList = 55,
    Message = 56,
    MaxMessageSize = 57,
    RenewalTime = 58,
    RebindingTime = 59,
    ClientIdentifier = 61,
    RelayAgentInformation = 82,
    DomainSearch = 119,
    End = 255,
}

/// <summary>RFC 2132 section 9.6. Unknown values are legal input.</summary>
public enum DhcpMessageType : byte
{
    None = 0,
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

/// <summary>Which side sends (RFC 2131 section 2).</summary>
public enum DhcpOperation : byte
{
    BootRequest = 1,
    BootReply = 2,
}
