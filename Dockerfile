# syntax=docker/dockerfile:1
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
# The image's own toolchain serves; rust-toolchain.toml would fetch clippy and rustfmt too.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN cargo build --release --locked --bin comptroller

# glibc of the same Debian release, CA certificates, no shell; the user is 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/comptroller /usr/local/bin/comptroller
# glibc otherwise keeps a heap for each thread, which here are a fifth of all memory.
ENV MALLOC_ARENA_MAX=1
EXPOSE 8443 8081
ENTRYPOINT ["/usr/local/bin/comptroller"]
CMD ["run"]
