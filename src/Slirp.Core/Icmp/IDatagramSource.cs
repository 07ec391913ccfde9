using Slirp.Wire;

namespace Slirp.Core.Icmp;

/// <summary>Who sends datagrams to the guest, and can tell whether an ICMP error of the guest's may be about one of them.</summary>
public interface IDatagramSource
{
    /// <param name="from">As the guest sees it.</param>
    /// <param name="to">The guest's endpoint.</param>
    bool MayHaveSent(IpEndpoint from, IpEndpoint to);
}
