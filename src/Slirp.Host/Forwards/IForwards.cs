namespace Slirp.Host.Forwards;

/// <summary>Forwards by id, as the control socket manages them.</summary>
public interface IForwards
{
    /// <summary>Binds every port, or none and tells why.</summary>
    ForwardResult Add(ForwardRequest request);

    /// <summary>Stops listening; connections that were made stay.</summary>
    /// <returns>False if there is no such forward.</returns>
    bool Remove(int id);

    /// <summary>By id.</summary>
    ForwardInfo[] List();
}
