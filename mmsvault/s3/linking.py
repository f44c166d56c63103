"""Links by which a browser gets an object from the bucket itself, for a while and without a login."""

from datetime import timedelta
from urllib.parse import urlsplit

from mmsvault.settings import Settings


class PublicLinks:
    """Signs links to the address under which browsers reach the bucket."""

    def __init__(self, settings: Settings) -> None:
        from mmsvault.s3.talking import open_client  # noqa: PLC0415 - most vaults sign no links

        url = urlsplit(settings.s3_public_endpoint)
        self.origin = f"{url.scheme}://{url.netloc}"
        self._name = settings.s3_bucket
        # The region is known, so that nothing is asked of the server: it need not be reached from here.
        self._client = open_client(
            url.netloc,
            secure=url.scheme == "https",
            keys=settings.bucket_keys,
            region=settings.s3_region,
            style=settings.s3_style,
        )

    def sign(self, key: str, *, content_type: str, disposition: str, lasts: timedelta) -> str:
        """Return a link to one object, as that type and no other, good for as long as it `lasts`."""
        return self._client.presigned_get_object(
            self._name,
            key,
            expires=lasts,
            extra_query_params={
                "response-content-type": content_type,
                "response-content-disposition": disposition,
            },
        )


def public_links(settings: Settings) -> PublicLinks | None:
    """Return what signs them, None where browsers do not reach the bucket."""
    return PublicLinks(settings) if settings.s3_public_endpoint else None
